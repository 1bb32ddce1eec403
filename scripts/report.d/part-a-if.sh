# Part A on a DeepFloyd IF folder: stage I at 64 pixels and, where there is one, stage II at 256. To be
# sourced. The prompts are those that the course's file of embeddings holds.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
first="if-unet $(printf %q "$net")"
if [ -n "$embeddings" ]; then
    ask="embeddings $(printf %q "$embeddings") ! $first"
    models=("$net" "$embeddings")
else
    ask="t5 $(printf %q "$net") ! $first"
    models=("$net")
fi
[ -z "$stage2" ] || second="if-unet $(printf %q "$stage2")"
photo='prompt "a high quality photo"'
loop='ddpm stride=30 to=0'
edit="noise t=960,900,840,780,690,390 ! cfg 7 ! $loop ! hstack [ grid 6 ] @orig ! batch ! grid 1 scale=2 columns=\"t = 960\" columns=900 columns=840 columns=780 columns=690 columns=390 columns=original"

section A "Part A · A net that is there already" <<EOF
<p>Everything here asks one and the same net, DeepFloyd IF of stage I, and differs in what is done with its answers.
Timesteps go from 999, nothing but noise, to 0; most figures take every thirtieth.</p>
EOF

if [ -n "$stage2" ]; then
    figure A0 "Few steps, more steps, two stages" <<EOF
for n in 5 15; do kiln -s 11220099 randn 3x3x64x64 ! $ask ! prompt "an oil painting of a snowy mountain village" "a man wearing a hat" "a rocket ship" ! cfg 7 ! threshold ! ddpm \$n ! keep small | kiln $second ! randn ! cfg 4 ! threshold ! ddpm \$n ! vstack [ take small ! resize 256x256 filter=nearest ! grid 3 ] [ grid 3 ] ! grid 1 rows="stage I, \$n steps" rows="stage II, \$n steps" ! save a0-\$n.png; done
EOF
    uses "${models[@]}" "$stage2"
    says <<EOF
<p>A village, a man with a hat, a rocket. Above, 64 pixels as the first net makes them; below, what the second makes of
them at 256.</p>
EOF
else
    figure A0 "Few steps, more steps" <<EOF
for n in 5 15; do kiln -s 11220099 randn 3x3x64x64 ! $ask ! prompt "an oil painting of a snowy mountain village" "a man wearing a hat" "a rocket ship" ! cfg 7 ! threshold ! ddpm \$n ! grid 3 scale=3 rows="\$n steps" ! save a0-\$n.png; done
EOF
    uses "${models[@]}"
    says <<EOF
<p>A village, a man with a hat, a rocket; stage I alone.</p>
EOF
fi
picture a0-5.png "five steps"
picture a0-15.png "fifteen steps"

. "$parts/part-a-noise.sh"

figure A1.3 "Denoising in one step" <<EOF
kiln load cat.png ! resize 64x64 ! keep orig ! $ask ! $photo ! noise t=250,500,750 ! vstack [ hstack @orig [ grid 3 ] ] [ hstack @orig [ denoise ! grid 3 ] ] ! grid 1 scale=3 columns=original columns="t = 250" columns="t = 500" columns="t = 750" rows=noised rows="one step" ! save a13.png
EOF
uses "${models[@]}"
picture a13.png "a photo, noised and estimated in one step"
says <<EOF
<p>The estimate is the mean of all photos that could have been there: the more noise, the smoother.</p>
EOF

figure A1.4 "Denoising step by step" <<EOF
kiln load cat.png ! resize 64x64 ! $ask ! $photo ! noise t=690 ! trace 690,540,390,240,90 ! $loop ! take trace ! grid 5 scale=2 columns=t ! save a14-strip.png
kiln load cat.png ! resize 64x64 ! keep orig ! $ask ! $photo ! noise t=690 ! hstack @orig [ ] [ $loop ] [ denoise ] [ blur 2 kernel=5 ] ! grid 1 scale=2 columns=original columns=noised columns=iterative columns="one step" columns=blur ! save a14.png
EOF
uses "${models[@]}"
picture a14-strip.png "a photo on its way from noise"
picture a14.png "original, noised, iterative, one step, blur"
says <<EOF
<p>The same question after each step. What comes is detailed, and need not be what was there.</p>
EOF

figure A1.5 "Images from noise" <<EOF
kiln randn 5x3x64x64 ! $ask ! $photo ! $loop ! grid 5 scale=2 ! save a15.png
EOF
uses "${models[@]}"
picture a15.png "five samples without guidance"
says <<EOF
<p>Five times "a high quality photo", from nothing but noise, without guidance.</p>
EOF

figure A1.6 "Classifier-free guidance" <<EOF
kiln randn 5x3x64x64 ! $ask ! $photo ! cfg 7 ! $loop ! grid 5 scale=2 ! save a16.png
EOF
uses "${models[@]}"
picture a16.png "five samples with guidance"
says <<EOF
<p>The same noise, each answer carried seven times as far from the empty prompt.</p>
EOF

figure A1.7 "Edits: back from less and less noise" <<EOF
kiln load cat.png astronaut.jpg coffee.jpg ! resize 64 ! crop 64x64 ! keep orig ! $ask ! $photo ! $edit ! save a17.png
EOF
uses "${models[@]}"
picture a17.png "three photos made anew from six levels of noise"
says <<EOF
<p>From much noise comes some photo, from little the one that was there.</p>
EOF

figure A1.7.1 "Drawings" <<EOF
kiln load house.png fish.png heart.png ! resize 64 ! crop 64x64 ! keep orig ! $ask ! $photo ! $edit ! save a171.png
EOF
uses "${models[@]}"
picture a171.png "three drawings become photos"
says <<EOF
<p>A drawing becomes a photo by way of images that are a little of both.</p>
EOF

figure A1.7.2 "Inpainting" <<EOF
kiln load cat.png ! resize 64x64 ! keep orig ! $ask ! $photo ! inpaint [ rect 24,2,18,18 ] ! randn ! cfg 7 ! $loop ! hstack @orig [ rect 24,2,18,18 ! rgb ] [ take orig ! mask [ rect 24,2,18,18 ] ] [ ] ! grid 1 scale=2 columns=original columns=mask columns=hole columns=result ! save a172-1.png
kiln load astronaut.jpg ! resize 64x64 ! keep orig ! $ask ! $photo ! inpaint [ rect 16,8,28,28 ! blur 1 ] ! randn ! cfg 7 ! $loop ! hstack @orig [ rect 16,8,28,28 ! blur 1 ! rgb ] [ take orig ! mask [ rect 16,8,28,28 ! blur 1 ] ] [ ] ! grid 1 scale=2 columns=original columns=mask columns=hole columns=result ! save a172-2.png
kiln load coffee.jpg ! resize 64x64 ! keep orig ! $ask ! $photo ! inpaint [ rect 0,0,64,32 ! blur 1 ] ! randn ! cfg 7 ! $loop ! hstack @orig [ rect 0,0,64,32 ! blur 1 ! rgb ] [ take orig ! mask [ rect 0,0,64,32 ! blur 1 ] ] [ ] ! grid 1 scale=2 columns=original columns=mask columns=hole columns=result ! save a172-3.png
EOF
uses "${models[@]}"
picture a172-1.png "the brow of a cat made anew"
picture a172-2.png "a face made anew"
picture a172-3.png "the upper half of a cup made anew"
says <<EOF
<p>White in the mask is made anew; the rest is put back after each step, noised as far as the image is.</p>
EOF

figure A1.7.3 "Edits with a prompt" <<EOF
kiln load rocket.jpg cat.png house.png ! resize 64 ! crop 64x64 ! keep orig ! $ask ! prompt "a rocket ship" ! $edit ! save a173.png
EOF
uses "${models[@]}"
picture a173.png "three pictures edited towards a rocket ship"
says <<EOF
<p>"A rocket ship", over what is there.</p>
EOF

# The lines NUMBER of the anagrams and of the hybrids: two prompts, and a word for each.
anagram_line() {
    printf 'kiln randn 1x3x64x64 ! %s ! cfg 7 ! anagram "%s" "%s" ! %s ! hstack [ ] [ flip ] ! grid 1 scale=2 columns="%s" columns="flipped: %s" ! save a18-%s.png\n' \
        "$ask" "$2" "$3" "$loop" "$4" "$5" "$1"
}
hybrid_line() {
    printf 'kiln randn 1x3x64x64 ! %s ! cfg 7 ! hybrid "%s" "%s" ! %s ! hstack [ ] [ resize 16 ! resize 64 ] ! grid 1 scale=2 columns="near: %s" columns="far: %s" ! save a19-%s.png\n' \
        "$ask" "$2" "$3" "$loop" "$5" "$4" "$1"
}

figure A1.8 "Anagrams" < <(
    anagram_line 1 "an oil painting of people around a campfire" "an oil painting of an old man" campfire "old man"
    anagram_line 2 "a pencil" "a rocket ship" pencil rocket
    anagram_line 3 "a lithograph of waterfalls" "a lithograph of a skull" waterfalls skull
    [ -z "$stage2" ] || printf 'kiln randn 1x3x64x64 ! %s ! cfg 7 ! anagram "a pencil" "a rocket ship" ! threshold ! ddpm 30 | kiln %s noise_level=50 ! randn ! cfg 7 ! anagram "a pencil" "a rocket ship" ! threshold ! ddpm 30 ! hstack [ ] [ flip ] ! save a18-256.png\n' "$ask" "$second"
)
uses "${models[@]}" ${stage2:+"$stage2"}
picture a18-1.png "people around a campfire, and flipped an old man"
picture a18-2.png "a pencil, and flipped a rocket"
picture a18-3.png "waterfalls, and flipped a skull"
[ -z "$stage2" ] || picture a18-256.png "a pencil and a rocket at 256 pixels"
says <<EOF
<p>At each step the net is asked about the image for one prompt and about the flipped image for the other; the answers
are averaged, each flipped back.</p>
EOF

figure A1.9 "Hybrids" < <(
    hybrid_line 1 "a lithograph of a skull" "a lithograph of waterfalls" skull waterfalls
    hybrid_line 2 "a man wearing a hat" "a rocket ship" man rocket
    hybrid_line 3 "a photo of a man" "a photo of the amalfi cost" man coast
)
uses "${models[@]}"
picture a19-1.png "waterfalls, from far a skull"
picture a19-2.png "a rocket, from far a man with a hat"
picture a19-3.png "a coast, from far a man"
says <<EOF
<p>The coarse part of each answer is for one prompt, the fine part for another; at the right as from far.</p>
EOF
