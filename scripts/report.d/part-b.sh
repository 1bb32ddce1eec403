# Part B: nets of one's own. To be sourced.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
sigmas='columns="σ = 0" columns=0.2 columns=0.4 columns=0.5 columns=0.6 columns=0.8 columns=1'

section B "Part B · A net of one's own" <<EOF
<p>First a net that removes noise in one step, then one that is told how much noise there is, then one that is also
told which digit.</p>
EOF

# blocks ID TITLE NET FILE
blocks() {
    figure "$1" "$2" <<EOF
kiln inspect $3 --json | scripts/diagram >$4
EOF
    uses "$3"
    picture "$4" "the blocks of the net and their sizes"
}

# training ID TITLE NET ARGUMENTS-OF-THE-NET ARGUMENTS-OF-TRAIN KEPT LOG
training() {
    local command="kiln plot $7 ! save ${1//./}.png"
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
    picture "${1//./}.png" "the loss, on a logarithmic axis"
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
}

blocks B1.1 "The denoiser" "$denoiser" b11.svg
figure B1.2 "What it sees" <<EOF
kiln digits test images=0:5 ! split ! noise sigma=0,0.2,0.4,0.5,0.6,0.8,1 ! batch ! grid 7 scale=3 $sigmas ! save b12.png
EOF
picture b12.png "five digits under seven strengths of noise"
says <<EOF
<p>Noise is simply added, without shrinking the image. The net is trained at σ = 0.5, the middle column.</p>
EOF
training B1.2.1 "Training the denoiser" "$denoiser" "arch=plain hidden=${hidden:-128}" \
    "objective=denoise sigma=0.5 batch=256 lr=1e-4" "$(kept 1,5)" "$denoiser_log"
each B1.2.1-digits "What it makes of the test set" "$denoiser" "$(kept 1,5)" b121-digits \
    "digits test images=0:3 ! split ! keep clean ! mnist-unet @@ ! noise sigma=0.5 ! hstack @clean [ ] [ denoise ] ! batch ! grid 1 scale=4 columns=clean columns=noisy columns=output"
figure B1.2.2 "Other strengths than trained" <<EOF
kiln digits test images=0 ! mnist-unet $denoiser ! noise sigma=0,0.2,0.4,0.5,0.6,0.8,1 ! vstack [ grid 7 ] [ denoise ! grid 7 ] ! grid 1 scale=3 $sigmas rows=noisy rows=output ! save b122.png
EOF
uses "$denoiser"
picture b122.png "one digit under seven strengths of noise, and what the net makes of each"
says <<EOF
<p>Less noise than it was trained for does no harm; beyond, what is left over shows as spots.</p>
EOF
blocks B2.1 "A net that knows the time" "$time" b21.svg
training B2.2 "Training it" "$time" "arch=time hidden=${hidden:-64}" "lr_end=1e-4" "$(kept 5,20)" "$time_log"
each B2.3 "Samples" "$time" "$(kept 5,20)" b23 \
    "randn 40x1x28x28 ! mnist-unet @@ ! ddpm ! grid 10 scale=3"
says <<EOF
<p>Noise taken down through all 300 levels. Nothing says which digit, so strokes of different ones run together.</p>
EOF
blocks B2.4-net "A net that knows the digit" "$class" b24-net.svg
training B2.4 "Training it" "$class" "arch=class hidden=${hidden:-64}" "lr_end=1e-4 p_uncond=0.1" "$(kept 1,5,20)" \
    "$class_log"
each B2.5 "Samples of each digit" "$class" "$(kept 1,5,20)" b25 \
    "randn 40x1x28x28 ! mnist-unet @@ ! prompt 0 1 2 3 4 5 6 7 8 9 ! cfg 5 ! ddpm ! grid 10 scale=3 columns=prompt"
says <<EOF
<p>A column for each digit, with guidance 5. The digit decides what, the noise decides how.</p>
EOF
