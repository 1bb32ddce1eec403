#!/usr/bin/env bats
# The report's commands in colour, word for word, on nets that have the build of the real ones and random
# weights: that each runs to its end and makes a picture of the right size. What takes longer is in
# commands-long.bats; what the numbers are is in walks.bats.
# SPDX-License-Identifier: MIT
load ../common
load if
load commands

@test "A1.1 to A1.3: noise, blur, one step" {
    kiln load campanile.jpg ! resize 64x64 ! hstack [ ] [ noise t=250,500,750 schedule=cosine ! grid 3 ] ! save a11.png
    is_png 262x64 a11.png
    kiln load campanile.jpg ! resize 64x64 ! noise t=250,500,750 schedule=cosine ! vstack [ grid 3 ] [ blur 2 kernel=7 ! grid 3 ] ! save a12.png
    is_png 196x130 a12.png
    kiln load campanile.jpg ! resize 64x64 ! keep orig ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! noise t=250,500,750 ! vstack [ hstack @orig [ grid 3 ] ] [ hstack @orig [ denoise ! grid 3 ] ] ! save a13.png
    is_png 262x130 a13.png
}

@test "A1.4: the strip, and the ways to denoise" {
    kiln load campanile.jpg ! resize 64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! noise t=690 ! trace 690,540,390,240,90 ! ddpm stride=30 to=0 ! take trace ! grid 5 labels=t ! save a14-strip.png
    kiln load campanile.jpg ! resize 64x64 ! keep orig ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! noise t=690 ! hstack @orig [ ] [ ddpm stride=30 to=0 ] [ denoise ] [ blur 2 kernel=5 ] ! save a14.png
    is_png 328x64 a14.png
}

@test "A1.7.2: inpainting with a box, a file, and what another process makes" {
    kiln load campanile.jpg ! resize 64x64 ! keep orig ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! inpaint [ rect 24,2,18,18 ] ! randn ! cfg 7 ! ddpm stride=30 to=0 ! hstack @orig [ rect 24,2,18,18 ! rgb ] [ take orig ! mask [ rect 24,2,18,18 ] ] [ ] ! save a172.png
    kiln load me.png ! resize 64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! inpaint hole.png paste=yes ! randn ! cfg 7 ! ddpm stride=30 ! save a172-me.png
    kiln load me.png ! resize 64x64 ! embeddings prompts.pth ! if-unet IF-I-L ! prompt "$P" ! inpaint <(kiln load hole.png ! gray ! blur 1) ! randn ! cfg 7 ! ddpm stride=30 ! save a172-soft.png
    is_png 262x64 a172.png
    is_png 64x64 a172-me.png a172-soft.png
}

@test "scripting: recipe, replay, an encoded prompt for another machine" {
    cp me.png cat.png
    kiln load cat.png ! resize 64x64 ! embeddings prompts.pth ! prompt "a pencil" ! encode | kiln if-unet IF-I-L ! noise t=690 ! cfg 7 ! threshold ! ddpm 50 | kiln save tiger.png
    kiln recipe tiger.png
    kiln run tiger.png ! compare tiger.png limit=0.01
}
