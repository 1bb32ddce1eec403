# Part A on digits: a prompt is a digit, "" says nothing. To be sourced.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
net="mnist-unet $class"
levels='columns="t = 290" columns="t = 270" columns="t = 250" columns="t = 230" columns="t = 210" columns="t = 120" columns=original'
tests='digits test images=0:3 ! split ! keep orig'

section A "Part A · A net that is there already" <<EOF
<p>Everything here asks one and the same net, <code>$class</code>, and differs in what is done with its answers. A
prompt is a digit; the empty one leaves open which. Timesteps go from 300, nothing but noise, to 1.</p>
EOF

figure A0 "Few steps, more steps" <<EOF
for n in 5 15; do kiln -s 11220099 randn 3x1x28x28 ! $net ! prompt 2 3 8 ! cfg 5 ! ddpm \$n ! grid 3 scale=4 columns=prompt rows="\$n steps" ! save a0-\$n.png; done
EOF
uses "$class"
picture a0-5.png "five steps"
picture a0-15.png "fifteen steps"
says <<EOF
<p>From the same noise in 5 steps and in 15. The shapes are there after five; the grain is what the last, large steps
leave behind. This net has one stage, so there is one row.</p>
EOF

. "$parts/part-a-noise.sh"

figure A1.3 "Denoising in one step" <<EOF
kiln $tests ! $net ! prompt "" ! noise t=75,150,225 ! vstack [ hstack @orig [ grid 3 ] ] [ hstack @orig [ denoise ! grid 3 ] ] ! batch ! grid 1 gap=4 scale=3 columns=original columns="t = 75" columns="t = 150" columns="t = 225" rows=noised rows="one step" rows=noised rows="one step" rows=noised rows="one step" ! save a13.png
EOF
uses "$class"
picture a13.png "three digits, noised and estimated in one step"
says <<EOF
<p>The estimate is the mean of all digits that could have been there: sharp where the noise leaves no doubt, smeared
where it does, as at <i>t</i> = 225. The first column has no noise, and nothing to be done.</p>
EOF

figure A1.4 "Denoising step by step" <<EOF
kiln digits test images=0 ! $net ! prompt "" ! noise t=210 ! trace 210,160,110,60,10 ! ddpm stride=10 ! take trace ! grid 5 scale=4 columns=t ! save a14-strip.png
kiln $tests ! $net ! prompt "" ! noise t=210 ! hstack @orig [ ] [ ddpm stride=10 ] [ denoise ] [ blur 1 ] ! batch ! grid 1 scale=4 columns=original columns=noised columns=iterative columns="one step" columns="Gaussian blur" ! save a14.png
EOF
uses "$class"
picture a14-strip.png "a digit on its way from noise"
picture a14.png "original, noised, iterative, one step, blur"
says <<EOF
<p>Above, a digit on its way down; below, what comes of it beside one step and a blur. Small steps end in something
crisp, but each is a decision: with so much noise the 7 became a 9, the 2 a 4. One step shows the doubt instead.</p>
EOF

figure A1.4-mse "How far from the original" <<EOF
for t in 75 150 225; do for then in noised "blur 1" denoise "ddpm stride=10"; do
[ "\$then" = noised ] && then=clamp
kiln digits test images=0:100 ! keep orig ! $net ! prompt "" ! noise t=\$t ! \$then ! compare @orig metric=mse limit=9
done; done
EOF
uses "$class"
table "mean squared error" "noised, clipped" blurred "one step" iterative -- "t = 75" "t = 150" "t = 225"
says <<EOF
<p>Over a hundred test digits, pixels from 0 to 1. One step comes closest, as a mean does; many steps give a likely digit,
which need not be this one.</p>
EOF

figure A1.5 "Images from noise" <<EOF
kiln randn 10x1x28x28 ! $net ! prompt 0 1 2 3 4 5 6 7 8 9 ! ddpm stride=10 ! grid 5 scale=4 labels=prompt ! save a15.png
EOF
uses "$class"
picture a15.png "ten samples without guidance"
says <<EOF
<p>Nothing but noise to begin with, a prompt for each. Without guidance it is followed loosely: the 8 is none.</p>
EOF

figure A1.6 "Classifier-free guidance" <<EOF
kiln randn 10x1x28x28 ! $net ! prompt 0 1 2 3 4 5 6 7 8 9 ! cfg 5 ! ddpm stride=10 ! grid 5 scale=4 labels=prompt ! save a16.png
EOF
uses "$class"
picture a16.png "ten samples with guidance"
says <<EOF
<p>The same noise, each answer carried five times as far from "some digit" towards "this digit". All are what they
should be, with firmer strokes.</p>
EOF

figure A1.7 "Edits: back from less and less noise" <<EOF
kiln $tests ! $net ! prompt "" ! noise t=290,270,250,230,210,120 ! ddpm stride=10 ! hstack [ grid 6 ] @orig ! batch ! grid 1 scale=3 $levels ! save a17.png
EOF
uses "$class"
picture a17.png "three digits made anew from six levels of noise"
says <<EOF
<p>From much noise comes some digit; from less, one that shares strokes with the original; from <i>t</i> = 120, the
original with other edges.</p>
EOF

figure A1.7.1 "Drawings, and a photo" <<EOF
kiln load fish.png heart.png cat.png ! gray ! resize 28x28 ! keep orig ! $net ! prompt "" ! noise t=290,270,250,230,210,120 ! ddpm stride=10 ! hstack [ grid 6 ] [ take orig ! range unit ] ! batch ! grid 1 scale=3 $levels ! save a171.png
EOF
uses "$class"
picture a171.png "a fish, a heart and a cat become digits"
says <<EOF
<p>What is no digit becomes one, by way of images that are a little of both: at <i>t</i> = 120 the heart is a 0 and the
fish a 0 with a tail. The net knows white strokes on black; of a gray face it keeps next to nothing.</p>
EOF

figure A1.7.2 "Inpainting" <<EOF
kiln digits test images=0:3 ! keep orig ! $net ! prompt 3 3 8 ! inpaint [ rect 0,14,28,14 ! blur 1 ] ! randn ! cfg 5 ! ddpm stride=10 ! hstack @orig [ rect 0,14,28,14 ! blur 1 ] [ take orig ! mask [ rect 0,14,28,14 ! blur 1 ] fill=0.5 ] [ ] ! grid 1 scale=4 columns=original columns=mask columns=hole columns=result rows=prompt ! save a172.png
EOF
uses "$class"
picture a172.png "original, mask, hole and result"
says <<EOF
<p>White in the mask is made anew; the rest is put back after each step, noised as far as the image is. Where the
edge is blurred it is some of both, and no seam shows. The number at the left is the prompt. The tops of 7 and 2 can be
that of a 3; a lone stroke becomes an 8 only below.</p>
EOF

figure A1.7.3 "Edits with a prompt" <<EOF
kiln $tests ! $net ! prompt 8 ! noise t=290,270,250,230,210,120 ! cfg 5 ! ddpm stride=10 ! hstack [ grid 6 ] @orig ! batch ! grid 1 scale=3 $levels ! save a173.png
EOF
uses "$class"
picture a173.png "three digits edited towards 8"
says <<EOF
<p>Every step is pulled towards an 8; the less noise, the more it has to fit over the strokes that are there: at
<i>t</i> = 120 one still sees the slant of the 7 and of the 1.</p>
EOF

figure A1.8 "Anagrams" <<EOF
kiln randn 8x1x28x28 ! $net ! cfg 5 ! anagram 6 9 view="rotate 180" ! ddpm stride=10 ! vstack [ grid 8 ] [ rotate 180 ! grid 8 ] ! grid 1 scale=3 rows=6 rows="turned: 9" ! save a18-1.png
kiln randn 8x1x28x28 ! $net ! cfg 5 ! anagram 2 5 ! ddpm stride=10 ! vstack [ grid 8 ] [ flip ! grid 8 ] ! grid 1 scale=3 rows=2 rows="flipped: 5" ! save a18-2.png
kiln randn 8x1x28x28 ! $net ! cfg 5 ! anagram 4 7 view="rotate 180" ! ddpm stride=10 ! vstack [ grid 8 ] [ rotate 180 ! grid 8 ] ! grid 1 scale=3 rows=4 rows="turned: 7" ! save a18-3.png
EOF
uses "$class"
picture a18-1.png "6, and turned 9"
picture a18-2.png "2, and flipped 5"
picture a18-3.png "4, and turned 7"
says <<EOF
<p>At each step the net is asked about the image for one digit and about the turned image for the other; the answers
are averaged, each turned back. 6 and 9 agree, a 2 is a 5 in the mirror of a lake, 4 and 7 have to bend for each
other.</p>
EOF

figure A1.9 "Hybrids" <<EOF
kiln randn 8x1x28x28 ! $net ! cfg 5 ! hybrid 6 5 filter="blur 1.5" ! ddpm stride=10 ! vstack [ grid 8 ] [ blur 2 ! grid 8 ] ! grid 1 scale=3 rows="near 5" rows="far 6" ! save a19-1.png
kiln randn 8x1x28x28 ! $net ! cfg 5 ! hybrid 3 8 filter="blur 1.5" ! ddpm stride=10 ! vstack [ grid 8 ] [ blur 2 ! grid 8 ] ! grid 1 scale=3 rows="near 8" rows="far 3" ! save a19-2.png
kiln randn 8x1x28x28 ! $net ! cfg 5 ! hybrid 9 4 filter="blur 1.5" ! ddpm stride=10 ! vstack [ grid 8 ] [ blur 2 ! grid 8 ] ! grid 1 scale=3 rows="near 4" rows="far 9" ! save a19-3.png
EOF
uses "$class"
picture a19-1.png "near 5, far 6"
picture a19-2.png "near 8, far 3"
picture a19-3.png "near 4, far 9"
says <<EOF
<p>The coarse part of each answer is for one digit, the fine part for another; the lower rows are blurred, as the eye
does from far. At 28 pixels there is little room between coarse and fine: a 5 whose blur is a 6 comes easily, a 4 that
is a 9 from far only where its top is closed.</p>
EOF
