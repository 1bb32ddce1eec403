#!/usr/bin/env bats
# if-unet: what its folders say, what is wrong with them, and what inspect shows of them.
# SPDX-License-Identifier: MIT
load ../common
load if

setup_file() {
    build_random_if
    cd "$BATS_FILE_TMPDIR"
    random_if --dtype fp32 tiny-I I
    random_if --dtype fp16 tiny-II II
    cp "$top_srcdir/tests/golden/if/prompts.pth" .
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    cp -r "$BATS_FILE_TMPDIR"/{I,II,prompts.pth} .
}

config=unet/config.json
weights=unet/diffusion_pytorch_model.safetensors

# Sets fields of a JSON file that has one a line; null where nothing is said.
field() {
    local file=$1
    shift
    for f; do
        sed -i "s/^\(  \"${f%%=*}\":\) [^[]*[^,[]\(,\?\)$/\1 ${f#*=}\2/" "$file"
    done
}

# What a chain that fails has to say.
says() {
    run bash -c '"$@" 2>&1 >/dev/null' - kiln "$@"
    echo "$output"
    [ "$status" -eq 1 ]
}

# refuses FOLDER TEXT: naming the net fails with this line, which names the folder, whether or not it would run.
refuses() {
    says --dry-run randn 1x3x64x64 ! embeddings prompts.pth ! if-unet "$1" ! denoise
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == "kiln: if-unet: $1"*$2 ]]
}

# What one evaluation gives, to compare bits.
answer() { kiln -s 3 randn 1x3x16x16 ! embeddings prompts.pth ! if-unet "$@" ! prompt "a pencil" ! predict; }

# Renames a tensor to one of equal length: its name in the header alone is changed.
rename() { LC_ALL=C sed -i "s/\"$2\":{/\"$3\":{/" "$1"; }

@test "a tensor too many or too few is named" {
    rename I/$weights conv_in.bias conv_io.bias
    refuses I "tensor 'conv_in.bias' is missing"
    rename I/$weights conv_io.bias conv_ia.bias
    refuses I "tensor 'conv_ia.bias' is none of the net that config.json describes"
    rename II/unet/diffusion_pytorch_model.fp16.safetensors up_blocks.0.attentions.1.to_out.0.weight \
        up_blocks.0.attentions.9.to_out.0.weight
    refuses II "tensor 'up_blocks.0.attentions.1.to_out.0.weight' is missing"
}

@test "a tensor of another shape or type is named" {
    field I/$config cross_attention_dim=64
    refuses I "tensor 'down_blocks.2.attentions.0.add_k_proj.weight' is [[]64,32[]], but config.json says [[]64,64[]]"
    field I/$config cross_attention_dim=32 addition_embed_type_num_heads=2
    LC_ALL=C sed -i 's/\("conv_out.bias":{"dtype":"\)F32/\1I32/' I/$weights
    refuses I "tensor 'conv_out.bias' is neither F32 nor F16 nor BF16"
}

@test "config.json and the tensors must be of one net" {
    sed -i '/"block_out_channels"/,/]/s/64/96/' I/$config
    refuses I "config.json: a block of 96 channels has no whole number of heads of 64"
    cp -r "$BATS_FILE_TMPDIR/I/unet/config.json" I/unet
    sed -i '/"layers_per_block"/s/1/2/' I/$config
    refuses I "tensor 'down_blocks.0.resnets.1.conv1.bias' is missing"
}

@test "files that end early or lie are refused" {
    size=$(stat -c %s I/$weights)
    truncate -s $((size - 1)) I/$weights
    refuses I "*diffusion_pytorch_model.safetensors: the file is truncated in tensor 'up_blocks.2.resnets.*.weight': $((size - 1 - 8 - $(od -An -N8 -tu8 I/$weights | tr -d ' '))) of * bytes of data are there"
    echo '{' >II/$config
    refuses II "*config.json: * in line *"
    rm I/$weights
    refuses I "no weights are beside config.json: diffusion_pytorch_model.safetensors or *"
    rm -r II/unet
    refuses II ": neither a pipeline's folder nor its unet/, with a config.json"
}

@test "nets of other kinds are refused, with what is wrong" {
    for f in 'mid_block_type="UNetMidBlock2DCrossAttn"' 'addition_embed_type="text_image"' \
        'resnet_time_scale_shift="default"' 'freq_shift=1' 'num_class_embeds=10' 'only_cross_attention=true'; do
        cp "$BATS_FILE_TMPDIR/I/unet/config.json" I/unet
        field I/$config "$f"
        refuses I "config.json: '${f%%=*}' is *: a UNet of IF has *"
    done
    cp "$BATS_FILE_TMPDIR/I/unet/config.json" I/unet
    field I/$config in_channels=4
    refuses I "config.json: 'in_channels' is 4: stage I has 3, stage II 6"
    sed -i s/SimpleCrossAttnDownBlock2D/CrossAttnDownBlock2D/ I/$config
    refuses I "config.json: block 'CrossAttnDownBlock2D' is none of IF's: *"
    field I/$config '_class_name="Transformer2DModel"'
    refuses I "config.json: '_class_name' is 'Transformer2DModel': a UNet of IF has 'UNet2DConditionModel'"
}

# Files of the first days of IF lack what the library added later, or left at its default.
@test "fields that old files lack are as in all of IF's nets" {
    for net in I II; do
        answer $net $([ $net = I ] || echo lowres=$top_srcdir/share/photos/cat.png) >want.st
        for f in encoder_hid_dim_type _class_name _diffusers_version num_attention_heads attention_type \
            mid_block_only_cross_attention reverse_transformer_layers_per_block transformer_layers_per_block \
            addition_time_embed_dim class_embeddings_concat conv_in_kernel conv_out_kernel dropout act_fn \
            flip_sin_to_cos freq_shift norm_num_groups norm_eps attention_head_dim cross_attention_norm \
            addition_embed_type mid_block_type time_embedding_type resnet_time_scale_shift out_channels \
            center_input_sample only_cross_attention dual_cross_attention upcast_attention \
            projection_class_embeddings_input_dim num_class_embeds time_cond_proj_dim timestep_post_act \
            downsample_padding use_linear_projection sample_size; do
            sed -i "/^  \"$f\":/d" $net/$config
        done
        sed -i ':a; N; $!ba; s/,\n}/\n}/' $net/$config
        [ "$(grep -c '^  "' $net/$config)" -lt 18 ]
        answer $net $([ $net = I ] || echo lowres=$top_srcdir/share/photos/cat.png) >got.st
        kiln load got.st ! compare want.st
    done
}

@test "one number of layers and of heads' channels for all blocks, or one for each" {
    answer I >want.st
    sed -i 's/"layers_per_block": 1/"layers_per_block": [1, 1, 1]/' I/$config
    sed -i 's/"attention_head_dim": 64/"attention_head_dim": [64, 64, 64]/' I/$config
    grep -q '1, 1' I/$config
    grep -q '64, 64' I/$config
    answer I >got.st
    kiln load got.st ! compare want.st
    sed -i 's/64, 64, 64/64, 64, 32/' I/$config
    [[ $(kiln inspect I) =~ 16x16\ +64\ +1\ +2 ]]
}

@test "halves are opened where they are asked for" {
    random_if --dtype fp16 --seed 2 tiny-I other
    answer I >full.st
    answer other >half.st
    cp other/unet/*.fp16.safetensors I/unet
    answer I >both.st
    kiln load both.st ! compare full.st
    answer I weights=fp32 >both.st
    kiln load both.st ! compare full.st
    answer I weights=fp16 >both.st
    kiln load both.st ! compare half.st
    rm I/$weights
    answer I >both.st
    kiln load both.st ! compare half.st
    # Kept as floats they are the same numbers.
    answer I weights=fp32 >both.st
    kiln load both.st ! compare half.st limit=1e-4
}

@test "weights in full are rounded where halves are asked for and there are none" {
    answer I >full.st
    answer I weights=fp16 >half.st
    kiln load half.st ! compare full.st limit=2e-2
    run kiln load half.st ! compare full.st
    [ "$status" -eq 1 ]
}

@test "inspect shows the net, from folders of both kinds, and reads no weights" {
    run kiln inspect I
    [ "$status" -eq 0 ]
    [[ $output =~ stage\ +1 ]]
    [[ $output =~ size\ +64x64 ]]
    [[ $output =~ 64x64\ +32\ +1\ +0 ]]
    [[ $output =~ 16x16\ +64\ +1\ +1 ]]
    [[ $output =~ stored\ +F32 ]]
    [ "$(kiln inspect I | tail -n +2)" = "$(kiln inspect I/unet | tail -n +2)" ]
    [[ $(kiln inspect II) =~ stage\ +2 ]]
    kiln inspect II --json >net.json
    grep -q '"kind": "net"' net.json
    grep -q '"node": "if-unet"' net.json
    # Zeros of a hole in the file would do, were they read: what is there is the header.
    n=$(($(od -An -N8 -tu8 I/$weights | tr -d ' ') + 8))
    size=$(stat -c %s I/$weights)
    head -c "$n" I/$weights >hole
    truncate -s "$size" hole
    kiln inspect I >want
    mv hole I/$weights
    [ "$(kiln inspect I)" = "$(cat want)" ]
    rename I/$weights conv_in.bias conv_io.bias
    run kiln inspect I
    [ "$status" -eq 1 ]
    [ "$output" = "kiln: inspect: if-unet: I/unet: tensor 'conv_in.bias' is missing" ]
}

@test "inspect: parameters and tensors of the published nets" {
    while read -r name parameters tensors; do
        random_if --values no "$name" "$name"
        [[ $(kiln inspect "$name") =~ parameters\ +$parameters.*tensors\ +$tensors ]]
    done <<<'IF-I-M 371,605,830 775
IF-I-L 935,365,830 775
IF-I-XL 4,304,695,110 775
IF-II-M 461,064,198 721
IF-II-L 1,243,277,190 939'
}

@test "sizes that do not go are refused, with what to put before the net" {
    says randn 1x3x62x64 ! embeddings prompts.pth ! if-unet I ! prompt "a pencil" ! ddpm 1
    [[ $output == *"if-unet wants 3x64x64 (sides a multiple of 4), the image is 3x62x64: put 'resize 64x64' before it" ]]
    says randn 1x1x64x64 ! embeddings prompts.pth ! if-unet I ! prompt "a pencil" ! ddpm 1
    [[ $output == *"put 'rgb' before it" ]]
    kiln -n blank 1x3x64x64 ! if-unet II ! randn ! embeddings prompts.pth ! ddpm 2 >/dev/null
}

@test "two stages in one chain have one net in memory" {
    # The plain reference keeps weights as they are: 4 and 4.7 MB.
    export KILN_CPU=ref
    first=(embeddings prompts.pth ! if-unet I ! prompt "a pencil" ! ddpm 1)
    second=(if-unet II ! prompt "a pencil" ! randn size=16x16 ! ddpm 1)
    kiln --max-memory 7M randn 1x3x8x8 ! "${first[@]}" ! "${second[@]}" ! save one.safetensors
    kiln randn 1x3x8x8 ! "${first[@]}" | kiln "${second[@]}" ! save two.safetensors
    kiln load one.safetensors ! compare two.safetensors
    # Of the first of two documents both are kept for the second.
    run kiln --max-memory 7M randn 1x3x8x8 docs=2 ! "${first[@]}" ! "${second[@]}" ! save %d.safetensors
    [ "$status" -eq 1 ]
    [[ $output == *"are not to be had within --max-memory" ]]
    kiln randn 1x3x8x8 docs=2 ! "${first[@]}" ! "${second[@]}" ! save %d.safetensors
    # A net that is wanted once more is there again.
    kiln randn 1x3x8x8 ! "${first[@]:0:8}" ! ddpm 1 ! resize 16x16 ! save small.safetensors
    kiln randn 1x3x8x8 ! "${first[@]:0:8}" ! hstack [ ddpm 1 ! "${second[@]}" ] [ ddpm 1 ! resize 16x16 ] gap=0 ! \
        crop 16x16 x=16 y=0 ! compare small.safetensors
}

@test "a net that cannot be loaded says so for each document" {
    run kiln -k --max-memory 2M randn 1x3x8x8 docs=2 ! embeddings prompts.pth ! if-unet I ! prompt "a pencil" ! ddpm 1 \
        ! save %d.safetensors
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[0]} == "kiln: if-unet: "*" are not to be had within --max-memory" ]]
    [ "${lines[1]}" = "${lines[0]}" ]
}

@test "what belongs to one stage is refused by the other" {
    says -n randn 1x3x64x64 ! embeddings prompts.pth ! if-unet I noise_level=3 ! ddpm 1
    [[ $output == *"noise_level and lowres are for stage II, this net is of stage I" ]]
    says -n randn 1x3x64x64 ! embeddings prompts.pth ! if-unet II ! ddpm 1
    [[ $output == *"lowres: "*"pure noise: put it before 'randn', or say lowres=" ]]
    says blank 1x1x8x8 ! embeddings prompts.pth ! if-unet II ! randn size=16x16 ! prompt "a pencil" ! ddpm 1
    [[ $output == *"lowres: the picture has 1 channels, 3 are wanted: put 'rgb' before the net" ]]
}

@test "embeddings of another width are refused" {
    printf '\x40\0\0\0\0\0\0\0%-64s' '{"a pencil":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}}' >bank.st
    head -c 32 /dev/zero >>bank.st
    says randn 1x3x16x16 ! embeddings bank.st ! if-unet I ! prompt "a pencil" ! ddpm 1
    [[ $output == "kiln: if-unet: an embedding's tokens are 4 wide, this net wants 32" ]]
}

@test "scheduler_config.json says how to sample where nothing else does" {
    sample() { kiln -s 3 randn 1x3x16x16 ! embeddings prompts.pth ! if-unet "$1" ! prompt "a pencil" ! threshold ${3:-} ! ddpm $2 ! save "$4.st" format=safetensors; }
    cp -r I J
    sed -i 's/"sample_max_value": 1.5/"sample_max_value": 1.2/; s/"dynamic_thresholding_ratio": 0.95/"dynamic_thresholding_ratio": 0.7/; s/"thresholding"/"timestep_spacing": "trailing",\n  &/' J/scheduler/*.json
    sample I "3 spacing=trailing" "1.2 quantile=0.7" want
    sample J 3 "" got
    kiln load got.st ! compare want.st
    sample J "3 spacing=linspace" "1.5 quantile=0.9" got
    sample I "3 spacing=linspace" "1.5 quantile=0.9" want
    kiln load got.st ! compare want.st
    # What is said counts, be it what others have as a default.
    sample J "3 spacing=leading" "1.5 quantile=0.95" got
    sample I 3 "" want
    kiln load got.st ! compare want.st
    kiln recipe got.st | grep -q 'threshold 1.5 quantile=0.95 ! ddpm 3 spacing=leading'
    # Leading timesteps with an offset: 667, 334, 1.
    sed -i 's/"timestep_spacing": "trailing"/"steps_offset": 1/' J/scheduler/*.json
    sample J 3 "1.5 quantile=0.9" got
    sample I timesteps=667,334,1 "1.5 quantile=0.9" want
    kiln load got.st ! compare want.st
    # Without the file it is as IF's own.
    sample I 3 "" want
    rm -r I/scheduler
    sample I 3 "" got
    kiln load got.st ! compare want.st
    sed -i 's/learned_range/learned/' J/scheduler/*.json
    refuses J "scheduler_config.json: 'variance_type' is 'learned', which is not known"
}

@test "dpmpp begins where lambda_min_clipped says" {
    begins() {
        kiln randn 1x3x8x8 ! embeddings prompts.pth ! if-unet I ! prompt "a pencil" ! trace every=1 \
            ! dpmpp 2 spacing=linspace ! take trace | kiln inspect - | awk '$1 == "t" { print $2 }'
    }
    least() { sed -i '/"lambda_min_clipped"/d; s/^  "thresholding"/  "lambda_min_clipped": '"$1"',\n&/' I/scheduler/*.json; }
    [ "$(begins)" = 995 ]
    least -5.1
    [ "$(begins)" = 995 ]
    least -Infinity # as Python writes the library's own default: no limit
    [ "$(begins)" = 999 ]
    least -3
    [ "$(begins)" = 967 ]
    for nonsense in NaN Infinity 0 0.5 -1e30 '"-3"' true; do
        least "$nonsense"
        refuses I "scheduler_config.json: 'lambda_min_clipped' is neither -Infinity nor a number from -1000 to 0, 0 excluded"
    done
    least null
    [ "$(begins)" = 995 ]
    least NaNa
    refuses I *"scheduler_config.json: "*" in line "*
}

@test "a schedule that is not known is refused" {
    sed -i 's/^  "thresholding"/  "rescale_betas_zero_snr": true,\n&/' I/scheduler/*.json
    refuses I "scheduler_config.json: 'rescale_betas_zero_snr' is not known"
    sed -i 's/"rescale_betas_zero_snr": true/"rescale_betas_zero_snr": false/' I/scheduler/*.json
    kiln -n randn 1x3x64x64 ! embeddings prompts.pth ! if-unet I ! denoise >/dev/null
    sed -i 's/"trained_betas": null/"trained_betas": [0.1, 0.2]/' I/scheduler/*.json
    refuses I "scheduler_config.json: 'trained_betas' is not known"
}

@test "a schedule travels with the State" {
    kiln -s 3 randn 1x3x16x16 ! embeddings prompts.pth ! if-unet I ! prompt "a pencil" ! cfg 3 ! threshold ! ddpm 2 \
        ! save want.st format=safetensors
    kiln -s 3 randn 1x3x16x16 | kiln embeddings prompts.pth | kiln if-unet I | kiln prompt "a pencil" | kiln cfg 3 |
        kiln threshold | kiln ddpm 2 | kiln save got.st format=safetensors
    kiln load got.st ! compare want.st
}
