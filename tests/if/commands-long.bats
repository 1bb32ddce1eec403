#!/usr/bin/env bats
# The report's commands in colour that take longer: see commands.bats.
# SPDX-License-Identifier: MIT
load ../common
load if
load commands

# Whether the text encoder is built in.
text_encoder() {
    kiln --dry-run blank 1x1x1x1 ! t5 IF-I-L ! show >/dev/null 2>why || skip "built without SentencePiece"
}

@test "A0: two stages in one pipe, few steps and more" {
    for N in 5 15; do
        kiln -s 11220099 randn 3x3x64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "an oil painting of a snowy mountain village" "a man wearing a hat" "a rocket ship" ! cfg 7 ! threshold ! ddpm $N ! keep small | kiln if-unet IF-II-L ! randn ! cfg 4 ! threshold ! ddpm $N ! vstack [ take small ! resize 256x256 filter=nearest ! grid 3 ] [ grid 3 ] ! save a0-$N.png
        is_png 772x514 a0-$N.png
    done
}

@test "A1.5, A1.6: samples without and with guidance" {
    kiln randn 5x3x64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! ddpm stride=30 to=0 ! grid 5 ! save a15.png
    kiln randn 5x3x64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! cfg 7 ! ddpm stride=30 to=0 ! grid 5 ! save a16.png
    is_png 328x64 a15.png a16.png
}

@test "A1.7: edits in one command and as a loop; of a drawing from the clipboard; with words" {
    kiln load campanile.jpg professor.jpg berkeley.jpg ! resize 64 ! crop 64x64 ! keep orig ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! noise t=960,900,840,780,690,390 ! cfg 7 ! ddpm stride=30 to=0 ! hstack [ grid 6 ] @orig ! batch ! grid 1 ! save a17.png
    for t in 960 900 840 780 690 390; do kiln load campanile.jpg ! resize 64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! noise t=$t ! cfg 7 ! ddpm stride=30 to=0 ! save a17-$t.png; done
    wl-paste -t image/png | kiln resize 64 ! crop 64x64 ! keep orig ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! noise t=960,900,840,780,690,390 ! cfg 7 ! ddpm stride=30 to=0 ! hstack [ grid 6 ] @orig ! save a171.png
    kiln load campanile.jpg ! resize 64x64 ! keep orig ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "a rocket ship" ! noise t=960,900,840,780,690,390 ! cfg 7 ! ddpm stride=30 to=0 ! hstack [ grid 6 ] @orig ! save a173.png
    is_png 460x196 a17.png
    is_png 460x64 a171.png a173.png
    is_png 64x64 a17-960.png a17-390.png
}

@test "A1.8, A1.9: anagrams and hybrids, and an anagram at 256 pixels" {
    kiln randn 1x3x64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! cfg 7 ! anagram "an oil painting of people around a campfire" "an oil painting of an old man" ! ddpm stride=30 to=0 ! hstack [ ] [ flip ] ! save a18-1.png
    kiln randn 1x3x64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! cfg 7 ! anagram "a pencil" "a rocket ship" ! ddpm stride=30 to=0 ! hstack [ ] [ flip ] ! save a18-2.png
    kiln randn 1x3x64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! cfg 7 ! anagram "a lithograph of waterfalls" "a lithograph of a skull" ! ddpm stride=30 to=0 ! hstack [ ] [ flip ] ! save a18-3.png
    is_png 130x64 a18-1.png a18-2.png a18-3.png
    while IFS='|' read -r far near; do
        kiln randn 1x3x64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! cfg 7 ! hybrid "$far" "$near" ! ddpm stride=30 to=0 ! hstack [ ] [ resize 16 ! resize 64 ] ! save "a19-$far.png"
        is_png 130x64 "a19-$far.png"
    done <<'EOF'
a lithograph of a skull|a lithograph of waterfalls
a man wearing a hat|a rocket ship
a photo of a man|a photo of the amalfi cost
EOF
    kiln randn 1x3x64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! cfg 7 ! anagram "a pencil" "a rocket ship" ! threshold ! ddpm 30 | kiln if-unet IF-II-L noise_level=50 ! randn ! cfg 7 ! anagram "a pencil" "a rocket ship" ! threshold ! ddpm 30 ! save a18-256.png
    is_png 256x256 a18-256.png
}

@test "free composition, prompts by the text encoder" {
    text_encoder
    kiln load me.png ! hstack [ ] [ flip ] ! save a18-2.png
    kiln randn 1x3x64x64 ! t5 IF-I-L ! if-unet IF-I-L ! cfg 7 ! regions mask=disc.png [ anagram "a pencil" "a rocket ship" view="rotate 180" ] "a wooden table" ! threshold ! ddpm 50 ! save c1.png
    kiln load face.jpg ! resize 64x64 ! t5 IF-I-L ! if-unet IF-I-L ! prompt "a lithograph of waterfalls" ! inpaint keep="blur 2 kernel=33" ! randn ! cfg 7 ! threshold ! ddpm 50 ! save c2.png
    kiln load a18-2.png ! crop 64x64 x=0 ! t5 IF-I-L ! if-unet IF-I-L ! noise t=600 ! cfg 7 ! anagram "a pencil" "a rocket ship" ! threshold ! ddpm 50 ! save c3.png
    kiln randn 1x3x64x64 ! t5 IF-I-L ! if-unet IF-I-L ! anagram "a deer" "a truck" "a tree" view="rotate 90" view="rotate 270" ! cfg 10 negative="blurry" ! threshold ! ddpm 50 ! save c4.png
    kiln -P ./my randn 1x3x64x64 ! t5 IF-I-L ! if-unet IF-I-L ! cfg 7 ! anagram "a deer" "a truck" view="jigsaw seed=3" ! threshold ! ddpm 50 ! save c5.png
    kiln randn 1x3x64x64 ! t5 IF-I-L ! if-unet IF-I-L ! mix [ prompt "a castle" ! cfg 12 ] [ if-unet IF-I-M ! prompt "a castle at night" ! cfg 7 ] weights=0.6,0.4 ! threshold ! ddpm 50 ! save c6.png
    kiln randn 1x3x64x64 ! t5 IF-I-L ! if-unet IF-I-L ! cfg 7 ! hybrid "a rabbit" "a volcano" filter="gray keep=yes" ! threshold ! ddpm 50 ! save c7.png
    is_png 64x64 c?.png
}

@test "scripting: a bank, a tiger, a pipe of single nodes" {
    text_encoder
    kiln blank 1x1x1x1 ! t5 IF-I-L ! encode "a deer" "a truck" "" ! save bank.safetensors
    kiln randn 1x3x64x64 ! embeddings bank.safetensors ! if-unet IF-I-L ! prompt "a deer" ! cfg 7 ! threshold ! ddpm 5 ! save deer.png
    cp me.png cat.png
    kiln load cat.png ! resize 64x64 ! t5 IF-I-L ! prompt "a tiger" ! encode | kiln if-unet IF-I-L ! noise t=690 ! cfg 7 ! threshold ! ddpm 50 | kiln save tiger.png
    mkdir fox
    kiln randn 2x3x64x64 docs=2 | kiln t5 IF-I-L | kiln if-unet IF-I-L | kiln prompt "a fox" | kiln cfg 7 | kiln threshold | kiln ddpm 50 | kiln split | kiln save fox/%d.png
    [ "$(ls fox | wc -l)" -eq 4 ]
    is_png 64x64 deer.png tiger.png fox/*.png
}
