# A1.1 and A1.2: noise on photos. No net is asked, so they are the same on digits and on DeepFloyd IF. To be
# sourced.
# SPDX-License-Identifier: MIT
# shellcheck shell=bash
figure A1.1 "The forward process" <<EOF
kiln load cat.png coffee.jpg rocket.jpg ! resize 64x64 ! hstack [ ] [ noise t=250,500,750 schedule=cosine ! grid 3 ] ! batch ! grid 1 scale=3 columns=original columns="t = 250" columns="t = 500" columns="t = 750" ! save a11.png
EOF
picture a11.png "three photos with more and more noise"
says <<EOF
<p>A photo shrinks towards gray while noise grows. At <i>t</i> = 250 of 1000 one sees nearly everything, at 500 large
shapes, at 750 nothing that one could name. No net is asked.</p>
EOF

figure A1.2 "Blur does not denoise" <<EOF
kiln load cat.png ! resize 64x64 ! noise t=250,500,750 schedule=cosine ! vstack [ grid 3 ] [ blur 2 kernel=7 ! grid 3 ] ! grid 1 scale=3 columns="t = 250" columns="t = 500" columns="t = 750" rows=noised rows=blurred ! save a12.png
EOF
picture a12.png "the noised cat, and the same blurred"
says <<EOF
<p>A Gaussian filter takes the fine noise away and the fine picture with it; coarse noise stays as coloured
clouds. At <i>t</i> = 750 they are all there is.</p>
EOF
