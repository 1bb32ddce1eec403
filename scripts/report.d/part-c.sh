# Part C on digits: stacks of stacks, and finding the good ones. To be sourced after part-a.sh.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
section C "Part C · Free composition" <<EOF
<p>Guidance, anagrams, hybrids, regions and mixes take a stack and give a stack, so each may stand inside any other.
None of these figures was foreseen by a program; each is a tree written down.</p>
EOF

figure C1 "An anagram inside a mask" <<EOF
kiln randn 8x1x28x28 ! $net ! cfg 5 ! regions mask= [ rect 0,0,28,14 ! blur 1 ] [ anagram 8 8 view="flip horizontal" ] 9 ! ddpm stride=10 ! vstack [ grid 8 ] [ flip horizontal ! grid 8 ] ! grid 1 scale=3 rows="as it is" rows=mirrored ! save c1.png
EOF
uses "$class"
picture c1.png "nines with a loop like that of an eight, and mirrored"
says <<EOF
<p>The upper half is to be that of an 8 and, mirrored, again that of an 8; the lower half is a 9's. What comes are nines
whose loop sits in the middle and looks the same in the mirror, most of them.</p>
EOF

figure C2 "A hybrid over a picture that is there" <<EOF
kiln digits test images=3 ! repeat 8 ! $net ! prompt 0 6 8 9 5 3 2 4 ! inpaint keep="blur 3" ! randn ! cfg 5 ! ddpm stride=10 ! vstack [ grid 8 ] [ blur 3 ! grid 8 ] ! grid 1 scale=3 columns=0 columns=6 columns=8 columns=9 columns=5 columns=3 columns=2 columns=4 rows=near rows=far ! save c2-1.png
kiln load heart.png fish.png cat.png ! gray ! resize 28x28 ! batch ! keep orig ! $net ! prompt 0 6 8 ! inpaint keep="blur 3" ! randn ! cfg 5 ! ddpm stride=10 ! hstack [ take orig ! range unit ] [ ] [ blur 3 ] ! grid 1 scale=3 columns=original columns=near columns=far rows=prompt ! save c2-2.png
EOF
uses "$class"
picture c2-1.png "eight digits that are a zero from far"
picture c2-2.png "a heart, a fish and a cat under digits"
says <<EOF
<p>What a blur leaves of a picture is kept, as inpainting keeps what lies outside a mask; the net draws the rest. Above
the picture is a test digit: near there are eight different ones, from far all are its 0. Below are a heart, a fish and
a cat. On the gray ground of a photo, which the net never saw, its strokes end in noise.</p>
EOF

figure C3 "Edits that are anagrams" <<EOF
kiln digits test images=11 ! keep orig ! $net ! noise t=270,240,200,150,100,50 ! cfg 5 ! anagram 6 9 view="rotate 180" ! ddpm stride=10 ! vstack [ hstack [ grid 6 ] @orig ] [ rotate 180 ! hstack [ grid 6 ] [ take orig ! rotate 180 ] ] ! grid 1 scale=3 columns="t = 270" columns="t = 240" columns="t = 200" columns="t = 150" columns="t = 100" columns="t = 50" columns=original rows=6 rows="turned: 9" ! save c3.png
EOF
uses "$class"
picture c3.png "a genuine 6, edited into images that are a 9 when turned"
says <<EOF
<p>A genuine 6 at the right, made anew from six levels of noise by the stack for 6 and, turned, 9. With less noise more
of its curl stays.</p>
EOF

figure C4 "Three views, and a prompt to avoid" <<EOF
kiln randn 8x1x28x28 ! $net ! anagram 2 2 5 view="rotate 180" view=flip ! cfg 5 ! ddpm stride=10 ! vstack [ grid 8 ] [ rotate 180 ! grid 8 ] [ flip ! grid 8 ] ! grid 1 scale=3 rows=2 rows="turned: 2" rows="flipped: 5" ! save c4-1.png
kiln randn 8x1x28x28 ! $net ! anagram 2 2 5 view="rotate 180" view=flip ! cfg 5 negative=8 ! ddpm stride=10 ! vstack [ grid 8 ] [ rotate 180 ! grid 8 ] [ flip ! grid 8 ] ! grid 1 scale=3 rows=2 rows="turned: 2" rows="flipped: 5" ! save c4-2.png
EOF
uses "$class"
picture c4-1.png "twos that are twos turned and fives flipped"
picture c4-2.png "the same, away from an eight"
says <<EOF
<p>One image, three ways to hold it, and all eight are what they should be in each. Guidance stands outside the anagram
here, which changes nothing. Below, it leads away from an 8 instead of from no prompt: since an 8 is all closed, strokes
come apart.</p>
EOF

figure C5 "An anagram of hybrids" <<EOF
kiln randn 8x1x28x28 ! $net ! cfg 5 ! anagram [ hybrid 6 8 filter="blur 1.5" ] [ hybrid 9 8 filter="blur 1.5" ] view="rotate 180" ! ddpm stride=10 ! vstack [ grid 8 ] [ blur 2 ! grid 8 ] [ rotate 180 ! blur 2 ! grid 8 ] ! grid 1 scale=3 rows="near 8" rows="far 6" rows="turned: far 9" ! save c5.png
EOF
uses "$class"
picture c5.png "eights whose blur is a six and, turned, a nine"
says <<EOF
<p>Near an 8 either way, from far a 6 and, turned, a 9: four wishes in one image. The 8 always comes; the weight of its
blur lies low, as in a 6, in some.</p>
EOF

figure C6 "Two nets" <<EOF
kiln randn 10x1x28x28 ! $net ! prompt 0 1 2 3 4 5 6 7 8 9 ! mix [ ] [ mnist-unet $time ] weights=0.5,0.5 ! ddpm stride=10 ! grid 10 scale=3 columns=prompt rows="0.5, 0.5" ! save c6-1.png
kiln randn 10x1x28x28 ! $net ! prompt 0 1 2 3 4 5 6 7 8 9 ! mix [ ] [ mnist-unet $time ] weights=4,-3 ! ddpm stride=10 ! grid 10 scale=3 columns=prompt rows="4, -3" ! save c6-2.png
EOF
uses "$class" "$time"
picture c6-1.png "half of each net"
picture c6-2.png "away from the net that does not know the digit"
says <<EOF
<p>Half of each answer from the net that is told the digit, half from the one that is not: the prompt is followed now
and then. With 4 and &minus;3 the second net is what to move away from, as guidance does with the empty prompt: nearly all are
what they should be.</p>
EOF

figure C7 "The best of 64 by score, and the worst" <<EOF
kiln randn 64x1x28x28 ! $net ! cfg 5 ! anagram 4 9 view="rotate 180" ! ddpm stride=15 ! $net ! cfg 5 ! anagram 4 9 view="rotate 180" ! score 140,180,220,260 ! sort ! vstack [ select 0:8 ! grid 8 ] [ select 0:8 ! rotate 180 ! grid 8 ] [ select 56:64 ! grid 8 ] [ select 56:64 ! rotate 180 ! grid 8 ] ! grid 1 scale=3 rows="best: 4" rows="turned: 9" rows="worst: 4" rows="turned: 9" ! save c7.png
EOF
uses "$class"
picture c7.png "the eight anagrams of lowest error, and the eight of highest"
says <<EOF
<p>64 anagrams, in the order of the error that the stack itself makes on them. What it explains worst is heavy and frayed,
what it explains best is cleaner; but in both there are some that read as one wished and some that do not. The error
says how a stroke is drawn more than what it says.</p>
EOF
