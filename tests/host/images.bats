#!/usr/bin/env bats
# Pictures from file to file: what is loaded, how it is saved, under which names, and what it says of
# its making.
# SPDX-License-Identifier: MIT
load ../common
load host

setup() {
    cd "$BATS_TEST_TMPDIR"
    images=$top_srcdir/tests/golden/images
}

# loads FILE NAME LIMIT [OPTION...]: the file's values are those of the tensor NAME.
loads() {
    local file=$1 name=$2 limit=$3
    shift 3
    kiln load "$images/$file" range=unit "$@" >loaded.st
    tensor loaded.st image >have
    tensor "$images/expected.safetensors" "$name" >want
    [ -s want ]
    paste have want | awk -v file="$file" -v limit="$limit" '
        NF != 2 { print file ": another number of values"; bad = 1; exit }
        { d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d }
        END { if (!bad) print file ": " worst; exit bad || worst > limit }'
}

@test "PNG of every kind, exactly" {
    for name in gray1 gray4 gray8 gray16 graya8 palette1 palette2 palette4 palette8 rgb8 rgb16 rgba8 \
        rgba16 rgb8-i palette4-i gray1-i gray16-trns palette8-trns; do
        loads "$name.png" "$name.png" 2e-7
    done
}

@test "transparent pixels on white, on black, dropped" {
    loads rgba8.png rgba8.png 2e-7 alpha=white
    loads rgba8.png rgba8.png:black 2e-7 alpha=black
    loads rgba8.png rgba8.png:drop 2e-7 alpha=drop
}

@test "JPEG: gray, colour, CMYK, YCCK, turned by EXIF" {
    # A decoder may differ by a step of 1/255 where colours are mixed and brought to size.
    for name in gray rgb 420 422 444 progressive restart cmyk cmyk-bare turned1 turned3 turned5; do
        loads "$name.jpg" "$name.jpg" 0.0079
    done
}

@test "gray files are one channel, rgb makes three" {
    kiln load "$images/gray8.png" >gray.st
    grep -aqE '"image":\{"dtype":"F32","shape":\[1,1,' gray.st
    kiln load "$images/gray8.png" ! rgb >rgb.st
    grep -aqE '"image":\{"dtype":"F32","shape":\[1,3,' rgb.st
}

@test "a filter that works in place leaves alone what is kept" {
    for filter in "blur 1" negate clamp "range unit"; do
        read -ra words <<<"$filter"
        kiln load "$images/rgb8.png" ! "${words[@]}" ! save alone.png meta=none
        kiln load "$images/rgb8.png" ! keep first ! "${words[@]}" ! tee kept.png meta=none ! take first ! \
            save first.png meta=none
        cmp alone.png kept.png
        kiln load "$images/rgb8.png" ! save whole.png meta=none
        cmp whole.png first.png
    done
    kiln load "$images/rgb8.png" ! blend [ blur 1 ] 0 ! save blend.png meta=none
    cmp whole.png blend.png
}

@test "the range of what is loaded: [-1,1], or [0,1]" {
    kiln blank 1x1x1x2 value=1 ! tee white.png >white.st
    kiln load white.png >signed.st
    [ "$(tensor signed.st image | tr -d ' ' | tr '\n' ,)" = "1,1," ]
    kiln blank 1x1x1x1 value=-1 ! save black.png
    kiln load black.png >signed.st
    kiln load black.png range=unit >unit.st
    [ "$(tensor signed.st image | tr -d ' ')" = -1 ]
    [ "$(tensor unit.st image | tr -d ' ')" = 0 ]
    # Saved, they are one and the same.
    kiln load black.png range=unit ! save again.png meta=none
    kiln load black.png ! save signed.png meta=none
    cmp again.png signed.png
}

@test "16 bits survive a save, 8 bits as well" {
    kiln load "$images/rgb16.png" ! save deep.png bits=16
    kiln -q load deep.png ! compare "$images/rgb16.png" limit=0
    kiln load "$images/rgb8.png" ! save flat.png
    kiln -q load flat.png ! compare "$images/rgb8.png" limit=0
    kiln load "$images/gray16.png" ! save gray.png bits=16
    kiln -q load gray.png ! compare "$images/gray16.png" limit=0
    # 8 bits of 16 are as near as they can be: half a step of 2/255.
    kiln load "$images/rgb16.png" ! save flat.png
    kiln -q load flat.png ! compare "$images/rgb16.png" limit=0.00393
}

@test "values beyond the range are cut off, not wrapped" {
    kiln blank 1x1x1x1 value=1.5 ! save high.png
    kiln blank 1x1x1x1 value=-7 ! save low.png
    kiln load high.png >high.st
    kiln load low.png >low.st
    [ "$(tensor high.st image | tr -d ' ')" = 1 ]
    [ "$(tensor low.st image | tr -d ' ')" = -1 ]
}

@test "JPEG saves, better with a higher quality" {
    cp "$top_srcdir/share/photos/cat.png" cat.png
    kiln load cat.png ! resize 64 ! tee good.jpg quality=98 ! tee bad.jpeg quality=5 ! save plain.png
    kiln -q load good.jpg ! compare plain.png metric=mse limit=0.002
    ! kiln -q load bad.jpeg ! compare plain.png metric=mse limit=0.002 2>/dev/null || false
    [ "$(stat -c %s good.jpg)" -gt "$(stat -c %s bad.jpeg)" ]
    kiln load cat.png ! resize 64 ! save format.xyz format=jpeg
    head -c 3 format.xyz | cmp - <(printf '\xff\xd8\xff')
}

@test "names tell documents, images, timesteps, prompts, seed and file" {
    cp "$images/rgb8.png" "a photo.png"
    kiln -s 42 load "a photo.png" ! resize 4x4 ! prompt 7 "a/b c" ! save "%f-%i-%d-%p-%s-%t-%%.png"
    [ "$(ls -- *-*)" = "$(printf 'a photo-0-0-7-42-clean-%%.png\na photo-1-0-a_b c-42-clean-%%.png')" ]
    kiln digits test images=0 ! "${net[@]}" ! noise t=30,7 ! save "t%t.png" 2>/dev/null
    [ -e t30.png ] && [ -e t7.png ]
    kiln randn 1x1x2x2 docs=3 ! save "d%d.png"
    [ -e d0.png ] && [ -e d1.png ] && [ -e d2.png ]
    kiln load "a photo.png" ! blur 1 ! save "%f.jpg"
    [ -e "a photo.jpg" ]
    # A prompt does not lead out of the folder.
    mkdir in
    kiln blank 1x1x2x2 ! prompt "../../x" ! save "in/%p.png"
    [ "$(ls -A in)" = ".._.._x.png" ]
}

@test "a picture carries its chain, which runs again" {
    mkdir in
    cp "$images/rgb8.png" in/photo.png
    kiln -s 5 load in/photo.png ! resize 6x6 ! noise sigma=0.25 ! tee a.jpg ! save a.png
    kiln recipe a.png >recipe
    cat recipe
    grep -q '^kiln -s 5 load photo.png ! resize 6[,x]6 ! noise sigma=0.25 ! tee a.jpg$' recipe
    (cd in && sh -c "$(cat ../recipe) ! save ../b.png")
    cmp a.png b.png
    cmp a.jpg in/a.jpg
    # A tee's picture says what was before it.
    kiln recipe a.jpg | grep -q 'noise sigma=0.25$'
    kiln -s 5 load in/photo.png ! resize 6x6 ! noise sigma=0.25 ! save paths.png meta=paths
    kiln recipe paths.png | grep -q "load in/photo.png"
    kiln run paths.png ! save c.png 2>/dev/null
    kiln -q load c.png ! compare a.png limit=0
    kiln load in/photo.png ! save none.png meta=none
    ! grep -aq -e resize -e photo none.png || false
    refuses 1 "none.png" kiln recipe none.png
}

@test "a chain with quotes and newlines in it comes back from the picture" {
    cp "$images/rgb8.png" photo.png
    kiln load photo.png ! prompt $'it\'s "a"\n! b' ! resize 4 ! save a.png
    sh -c "$(kiln recipe a.png) ! save b.png"
    cmp a.png b.png
    kiln load photo.png ! hstack [ flip ! blur 1 ] photo.png ! save c.png
    sh -c "$(kiln recipe c.png) ! save d.png"
    cmp c.png d.png
}

@test "a picture on standard output, read by the next as one" {
    kiln blank 1x1x4x4 value=0.5 ! save - >out.png
    head -c 8 out.png | cmp - <(printf '\x89PNG\r\n\x1a\n')
    kiln blank 1x1x4x4 value=0.5 ! save - | kiln flip ! save next.png
    kiln -q load next.png ! compare out.png limit=0
    kiln blank 1x1x4x4 ! save - format=jpeg | head -c 3 | cmp - <(printf '\xff\xd8\xff')
}

@test "a State in a file is a picture again, with its t and prompts" {
    kiln -s 3 digits test images=0:2 ! "${net[@]}" ! noise t=50 ! save state.safetensors 2>/dev/null
    kiln load state.safetensors >loaded.st
    kiln -s 3 digits test images=0:2 ! "${net[@]}" ! noise t=50 >made.st
    same_image loaded.st made.st
    for name in prompts range; do
        grep -ao "\"kiln.$name\":\"[^}]*\",\"kiln.r" made.st >made
        grep -ao "\"kiln.$name\":\"[^}]*\",\"kiln.r" loaded.st >loaded
        cmp made loaded
    done
    kiln -s 3 load state.safetensors ! "${net[@]}" ! cfg 2 ! ddim timesteps=50,20 >one.st
    kiln -s 3 digits test images=0:2 ! "${net[@]}" ! noise t=50 ! cfg 2 ! ddim timesteps=50,20 >two.st
    same_image one.st two.st
}

@test "a mask is a picture of any size and depth, made gray and fitted" {
    kiln blank 1x3x8x8 value=1 ! rect 0,0,4,8 ! save mask.png
    kiln blank 1x3x4x4 value=1 ! mask mask.png fill=-1 >out.st
    [ "$(tensor out.st image | head -16 | tr -d ' ' | tr '\n' ,)" = "-1,-1,1,1,-1,-1,1,1,-1,-1,1,1,-1,-1,1,1," ]
}

@test "a photo that ships is found by its bare name, unless a file here has it" {
    kiln -q load cat.png ! compare "$top_srcdir/share/photos/cat.png" limit=0
    kiln -q load "$top_srcdir/share/photos/cat.png" ! compare cat.png limit=0
    run kiln load ./cat.png ! save out.png
    [ "$status" -eq 1 ]
    run kiln load no-such.png ! save out.png
    [[ $output == *"cannot open 'no-such.png'"* ]]
    cp "$images/rgb8.png" cat.png
    kiln -q load cat.png ! compare "$images/rgb8.png" limit=0
}
