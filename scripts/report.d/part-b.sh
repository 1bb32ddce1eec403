# Part B: nets of one's own. To be sourced.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
sigmas='columns="σ = 0" columns=0.2 columns=0.4 columns=0.5 columns=0.6 columns=0.8 columns=1'

section B "Part B · A net of one's own" <<EOF
<p>First a net that removes noise in one step, then one that is told how much noise there is, then one that is also
told which digit.</p>
EOF

# What blocks, training and each have to say comes from their standard input.

# blocks ID TITLE NET FILE
blocks() {
    figure "$1" "$2" <<EOF
kiln inspect $3 --json | scripts/diagram >$4
EOF
    uses "$3"
    picture "$4" "the blocks of the net and their sizes"
    says
}

# training ID TITLE NET ARGUMENTS-OF-THE-NET ARGUMENTS-OF-TRAIN KEPT LOG
training() {
    local picture=${1,,}
    picture=${picture//./}
    local command="kiln plot $7 ! save ${picture}.png"
    if [ -n "$train" ]; then
        command="kiln -s 1 $digits ! mnist-unet $4 ! train $3 $5 epochs=${6##*,} keep=$6 resume=yes log=$7 >/dev/null
$command"
    fi
    figure "$1" "$2" <<<"$command"
    if [ -n "$train" ]; then
        early
    else
        uses "$3"
    fi
    picture "$picture.png" "the loss, on a logarithmic axis"
    says
}

# each ID TITLE NET KEPT FILE CHAIN: a figure for each epoch kept, or one; @ in the chain is the net.
each() {
    local one
    if [ -z "$train" ]; then
        figure "$1" "$2" <<<"kiln ${6//@@/$3} ! save $5.png"
        picture "$5.png" "$2"
    else
        figure "$1" "$2" <<EOF
for e in ${4//,/ }; do kiln ${6//@@/${3%.safetensors}.e\$e.safetensors} title="after epoch \$e" ! save $5-e\$e.png; done
EOF
        for one in ${4//,/ }; do
            picture "$5-e$one.png" "$2, after epoch $one"
        done
    fi
    uses "$3"
    says
}

blocks B1.1 "The denoiser" "$denoiser" b11.svg <<EOF
<p>Down to a single vector and up again, with the maps of each size handed over (dashed). Drawn from the weights.</p>
EOF
figure B1.2 "What it sees" <<EOF
kiln digits test images=0:5 ! split ! noise sigma=0,0.2,0.4,0.5,0.6,0.8,1 ! batch ! grid 7 scale=3 $sigmas ! save b12.png
EOF
picture b12.png "five digits under seven strengths of noise"
says <<EOF
<p>Noise is simply added, without shrinking the image. The net is trained at σ = 0.5, the middle column, where one
still reads each digit.</p>
EOF
training B1.2.1 "Training the denoiser" "$denoiser" "arch=plain hidden=${hidden:-128}" \
    "objective=denoise sigma=0.5 batch=256 lr=1e-4" "$(kept 1,5)" "$denoiser_log" <<EOF
<p>The loss falls to a tenth within the first dozens of steps: black paper is learnt first. What follows are strokes.</p>
EOF
each B1.2.1-digits "What it makes of the test set" "$denoiser" "$(kept 1,5)" b121-digits \
    "digits test images=0:3 ! split ! keep clean ! mnist-unet @@ ! noise sigma=0.5 ! hstack @clean [ ] [ denoise ] ! batch ! grid 1 scale=4 columns=clean columns=noisy columns=output" <<EOF
<p>Digits that it was not trained on, at the strength it was trained for: clean ground, strokes a little softer than
the original.</p>
EOF
figure B1.2.2 "Other strengths than trained" <<EOF
kiln digits test images=0 ! mnist-unet $denoiser ! noise sigma=0,0.2,0.4,0.5,0.6,0.8,1 ! vstack [ grid 7 ] [ denoise ! grid 7 ] ! grid 1 scale=3 $sigmas rows=noisy rows=output ! save b122.png
EOF
uses "$denoiser"
picture b122.png "one digit under seven strengths of noise, and what the net makes of each"
says <<EOF
<p>Less noise than it was trained for does no harm. Beyond, it takes some of the noise for strokes: at 0.8 there are
stray ones, at 1 the 7 is lost among them.</p>
EOF
blocks B2.1 "A net that knows the time" "$time" b21.svg <<EOF
<p>The same blocks, and two small nets that turn the time into numbers, one for each channel, added in two places.</p>
EOF
training B2.2 "Training it" "$time" "arch=time hidden=${hidden:-64}" "lr_end=1e-4" "$(kept 5,20)" "$time_log" <<EOF
<p>A cliff, then a slow descent. The band is wide because each batch has timesteps of its own: with much noise it is
easy to say what is noise, with little it is hard.</p>
EOF
each B2.3 "Samples" "$time" "$(kept 5,20)" b23 \
    "randn 40x1x28x28 ! mnist-unet @@ ! ddpm ! grid 10 scale=3" <<EOF
<p>Noise taken down through all 300 levels. Many are digits; nothing says which, so in others strokes of different ones
run together.</p>
EOF
blocks B2.4-net "A net that knows the digit" "$class" b24-net.svg <<EOF
<p>The digit comes in where the time does, but multiplies. No digit at all is a vector of zeros.</p>
EOF
training B2.4 "Training it" "$class" "arch=class hidden=${hidden:-64}" "lr_end=1e-4 p_uncond=0.1" "$(kept 1,5,20)" \
    "$class_log" <<EOF
<p>The same course, and ends somewhat lower than without the digit: to know it is to know part of what is under the
noise. One image in ten is learnt without, so that guidance has something to move away from.</p>
EOF
each B2.5 "Samples of each digit" "$class" "$(kept 1,5,20)" b25 \
    "randn 40x1x28x28 ! mnist-unet @@ ! prompt 0 1 2 3 4 5 6 7 8 9 ! cfg 5 ! ddpm ! grid 10 scale=3 columns=prompt" <<EOF
<p>A column for each digit, with guidance 5, and each is what it should be. The digit decides what, the noise decides
how.</p>
EOF
