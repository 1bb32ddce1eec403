#!/usr/bin/env bats
# What has to be equal: sweeps and single runs, batches and single images, with and without looking,
# whatever the threads and the size of a batch.
# SPDX-License-Identifier: MIT
load ../common
load host

setup() {
    cd "$BATS_TEST_TMPDIR"
}

@test "a sweep over t is the separate runs, bit for bit" {
    kiln -s 4 digits test images=0 ! "${net[@]}" ! prompt 8 ! noise t=200,120,40 ! cfg 3 ! \
        ddpm stride=40 >sweep.st
    i=0
    for t in 200 120 40; do
        kiln -s 4 digits test images=0 ! "${net[@]}" ! prompt 8 ! noise t=$t ! cfg 3 ! ddpm stride=40 >one.st
        kiln select $i <sweep.st >part.st
        same_image one.st part.st
        i=$((i + 1))
    done
    # Others would pass for equal if noise did not matter.
    kiln select 0 <sweep.st >a.st
    kiln select 1 <sweep.st >b.st
    ! same_image a.st b.st || false
}

@test "prompts in one batch are the separate runs" {
    kiln -s 4 blank 1x1x28x28 ! "${net[@]}" ! prompt 1 5 "" ! randn ! cfg 3 ! ddpm 3 >all.st
    i=0
    for prompt in 1 5 ""; do
        kiln -s 4 blank 1x1x28x28 ! "${net[@]}" ! prompt "$prompt" ! randn ! cfg 3 ! ddpm 3 >one.st
        kiln select $i <all.st >part.st
        same_image one.st part.st
        i=$((i + 1))
    done
}

@test "image 17 of a batch is the same alone: by first=, by select before and after" {
    kiln -s 6 randn 20x1x28x28 ! "${net[@]}" ! prompt 7 ! cfg 5 ! ddpm 3 >batch.st
    kiln select 17 <batch.st >picked.st
    kiln -s 6 randn 1x1x28x28 first=17 ! "${net[@]}" ! prompt 7 ! cfg 5 ! ddpm 3 >first.st
    kiln -s 6 randn 20x1x28x28 ! select 17 ! "${net[@]}" ! prompt 7 ! cfg 5 ! ddpm 3 >selected.st
    kiln -s 6 randn 5x1x28x28 docs=4 ! "${net[@]}" ! prompt 7 ! cfg 5 ! ddpm 3 ! batch ! select 17 >docs.st
    kiln -s 6 randn 20x1x28x28 ! split ! "${net[@]}" ! prompt 7 ! cfg 5 ! ddpm 3 ! batch ! select 17 >split.st
    for file in first selected docs split; do
        echo "$file"
        same_image "$file.st" picked.st
    done
    kiln select 16 <batch.st >other.st
    ! same_image other.st picked.st || false
}

@test "a file alone and in a list gives the same bits" {
    cp "$top_srcdir/share/photos/cat.png" cat.png
    kiln load cat.png ! flip ! save flipped.png
    kiln load flipped.png cat.png ! resize 16x16 ! noise sigma=0.5 ! blur 1 ! split ! batch ! select 1 >list.st
    kiln load cat.png ! resize 16x16 ! noise sigma=0.5 ! blur 1 >alone.st
    same_image list.st alone.st
}

@test "the seed matters, and nothing before it does" {
    kiln -s 1 randn 1x1x4x4 >a.st
    kiln -s 2 randn 1x1x4x4 >b.st
    ! same_image a.st b.st || false
    KILN_SEED=2 kiln -s 1 randn 1x1x4x4 >c.st
    cmp a.st c.st
    # As large as a seed can be.
    kiln -s 9223372036854775807 randn 1x1x4x4 | kiln tee x.safetensors >d.st
    grep -aq '"kiln.seed":"9223372036854775807"' d.st
}

@test "looking changes no image: tee, trace, keep, prompt anywhere" {
    part=(randn 2x1x28x28 ! "${net[@]}" ! prompt 3 ! cfg 4 ! ddpm 3 ! noise t=30 ! "${net[@]}" ! ddim timesteps=30,10)
    kiln -s 8 "${part[@]}" >plain.st
    parts "${part[@]}"
    for look in "tee look.safetensors" "keep look" "trace every=1"; do
        for to in "${part_to[@]}"; do
            # shellcheck disable=SC2086
            kiln -s 8 "${part[@]:0:to}" ! $look "${part[@]:to}" >looked.st 2>/dev/null
            same_image looked.st plain.st || { echo "$look after ${part[*]:0:to}"; return 1; }
        done
    done
}

@test "an anagram of one prompt is that prompt, under any view" {
    kiln randn 2x1x28x28 ! "${net[@]}" ! prompt 4 ! cfg 3 ! ddpm 3 >plain.st
    # One branch in its own view, the identity: the same bits.
    kiln randn 2x1x28x28 ! "${net[@]}" ! cfg 3 ! anagram 4 4 view= [ ] ! ddpm 3 >identity.st
    same_image identity.st plain.st
}

@test "guidance over an anagram is an anagram of guidances, up to rounding" {
    kiln randn 2x1x28x28 ! "${net[@]}" ! anagram 6 9 view="rotate 180" ! cfg 3 ! ddpm 3 >outer.st
    kiln randn 2x1x28x28 ! "${net[@]}" ! cfg 3 ! anagram 6 9 view="rotate 180" ! ddpm 3 >inner.st
    kiln -q compare outer.st limit=1e-4 <inner.st
    kiln randn 2x1x28x28 ! "${net[@]}" ! cfg 3 ! anagram 6 9 view=flip ! ddpm 3 >other.st
    refuses 1 "is beyond the limit" kiln load other.st ! compare outer.st limit=1e-4
}

@test "a hybrid of equal prompts is that prompt, up to rounding" {
    kiln randn 2x1x28x28 ! "${net[@]}" ! prompt 4 ! cfg 3 ! ddim 3 >plain.st
    kiln randn 2x1x28x28 ! "${net[@]}" ! cfg 3 ! hybrid 4 4 filter="blur 2" ! ddim 3 >hybrid.st
    kiln -q compare plain.st limit=1e-4 <hybrid.st
}

@test "branches in brackets start with equal random numbers" {
    kiln randn 1x1x28x28 ! "${net[@]}" ! prompt 4 ! hstack [ ddpm 3 ] [ ddpm 3 ] gap=0 ! keep both ! \
        crop 28x28 x=0 >left.st
    kiln randn 1x1x28x28 ! "${net[@]}" ! prompt 4 ! hstack [ ddpm 3 ] [ ddpm 3 ] gap=0 ! \
        crop 28x28 x=28 >right.st
    same_image left.st right.st
}

@test "two draws of one name differ, draws of other names do not matter" {
    kiln blank 1x1x4x4 value=0 ! noise sigma=1 ! blur 0 ! noise sigma=1 >two.st
    kiln blank 1x1x4x4 value=0 ! noise sigma=1 >one.st
    # The second adds other noise than the first, or the sum would be twice the one.
    tensor one.st image | awk '{ printf "%.4f\n", 2 * $1 }' >twice
    tensor two.st image | awk '{ printf "%.4f\n", $1 }' >sum
    ! cmp -s twice sum || false
    kiln blank 1x1x4x4 value=0 ! permute 2 seed=3 ! jigsaw 1 ! noise sigma=1 >after.st
    same_image after.st one.st
}

@test "repeat gives own noise, select keeps it" {
    kiln blank 1x1x4x4 ! repeat 3 ! noise sigma=1 >a.st
    [ "$(tensor a.st image | sort -u | wc -l)" -gt 40 ]
    kiln blank 1x1x4x4 ! repeat 3 ! select 2,0 ! noise sigma=1 >b.st
    kiln select 2,0 <a.st >c.st
    same_image b.st c.st
}

@test "threads and the size of a batch change no bit" {
    part=(randn 7x1x28x28 ! "${net[@]}" ! prompt 4 ! cfg 3 ! anagram 4 5 view="rotate 180" ! ddpm 3)
    kiln -j 1 "${part[@]}" >plain.st
    for options in "-j 2" "-j 5" "-j 0" "--max-batch 1" "--max-batch 2" "--max-batch 13" "-j 3 --max-batch 5"; do
        echo "$options"
        # shellcheck disable=SC2086
        kiln $options "${part[@]}" >other.st
        cmp other.st plain.st
    done
    KILN_THREADS=2 KILN_MAX_BATCH=3 kiln "${part[@]}" | cmp - plain.st
}

@test "every instruction set runs, and they agree up to rounding" {
    part=(randn 3x1x28x28 ! "${net[@]}" ! prompt 4 ! cfg 3 ! ddim 3)
    KILN_CPU=ref kiln "${part[@]}" >ref.st
    for cpu in avx2 avx512 amx; do
        echo "$cpu"
        KILN_CPU=$cpu kiln "${part[@]}" >other.st
        # Untrained nets do not amplify: a few ulp of values of order 1 over three steps. amx: bf16
        # products, three per product.
        kiln -q load other.st ! compare ref.st limit=2e-3
    done
}

@test "cuts, threads and documents do not matter to torch's random numbers of a document" {
    kiln -s 3 --rng torch randn 2x1x28x28 ! "${net[@]}" ! prompt 1 2 ! ddpm 3 >a.st
    kiln -s 3 --rng torch -j 1 --max-batch 1 randn 2x1x28x28 ! "${net[@]}" ! prompt 1 2 ! ddpm 3 >b.st
    cmp a.st b.st
}
