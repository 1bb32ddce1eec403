# Part C on DeepFloyd IF: stacks of stacks. To be sourced after part-a-if.sh.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
section C "Part C · Free composition" <<EOF
<p>Guidance, anagrams, hybrids, regions and mixes take a stack and give a stack, so each may stand inside any other.</p>
EOF

figure C1 "An anagram inside a mask" <<EOF
kiln randn 1x3x64x64 ! $ask ! cfg 7 ! regions mask= [ rect 16,0,32,64 ! blur 2 ] [ anagram "a pencil" "a rocket ship" view="rotate 180" ] "an oil painting of a snowy mountain village" ! threshold ! ddpm 50 ! hstack [ ] [ rotate 180 ] ! grid 1 scale=2 columns="as it is" columns=turned ! save c1.png
EOF
uses "${models[@]}"
picture c1.png "a pencil that turned is a rocket, in a village"
says <<EOF
<p>The middle is a pencil and, turned, a rocket; the rest is a village.</p>
EOF

figure C2 "A hybrid over a photo" <<EOF
kiln load cat.png ! resize 64x64 ! keep orig ! $ask ! prompt "a lithograph of waterfalls" ! inpaint keep="blur 2 kernel=33" ! randn ! cfg 7 ! threshold ! ddpm 50 ! hstack @orig [ ] [ resize 16 ! resize 64 ] ! grid 1 scale=2 columns=original columns=near columns=far ! save c2.png
EOF
uses "${models[@]}"
picture c2.png "waterfalls that are a cat from far"
says <<EOF
<p>What a blur leaves of the photo is kept; the net draws the rest.</p>
EOF

figure C3 "An edit that is an anagram" <<EOF
kiln load rocket.jpg ! resize 64x64 ! keep orig ! $ask ! noise t=780 ! cfg 7 ! anagram "a rocket ship" "a pencil" ! threshold ! ddpm 50 ! hstack @orig [ ] [ flip ] ! grid 1 scale=2 columns=original columns=rocket columns="flipped: pencil" ! save c3.png
EOF
uses "${models[@]}"
picture c3.png "a photo of a rocket, edited until it is a pencil when flipped"
says <<EOF
<p>From the photo of a rocket, noised to <i>t</i> = 780.</p>
EOF

figure C4 "A hybrid of gray and colour" <<EOF
kiln randn 1x3x64x64 ! $ask ! cfg 7 ! hybrid "a lithograph of waterfalls" "an oil painting of people around a campfire" filter="gray keep=yes" ! threshold ! ddpm 50 ! hstack [ ] [ gray keep=yes ] ! grid 1 scale=2 columns=colour columns=gray ! save c4.png
EOF
uses "${models[@]}"
picture c4.png "a campfire, in gray waterfalls"
says <<EOF
<p>What is gray in the answers is for the waterfalls, what is colour for the campfire.</p>
EOF
