#!/usr/bin/env bats
# Plugins that fail, crash, hang, lie or are none: one line that names the node or the file, and the
# right exit status. Most of what goes wrong is in odd.c.
# SPDX-License-Identifier: MIT
load ../common
load host

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    plugin odd <"$BATS_TEST_DIRNAME/odd.c"
}

setup() {
    cd "$BATS_TEST_TMPDIR"
    export KILN_PLUGINS=$BATS_FILE_TMPDIR/plugins:$PWD/plugins
}

# A sanitizer reports crashes itself.
without_sanitizer() {
    ! sanitized || skip "the sanitizer takes the signals"
}

# simple NAME ID: the source of a plugin with one filter, which multiplies by GAIN; MORE is put before it.
simple() {
    cat <<C
#include <kiln/kiln.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef MORE
MORE
#endif
static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    (void)self, (void)rows;
    for (int64_t i = 0; i < kiln_numel(in); i++)
        kiln_f32(out)[i] = kiln_f32(in)[i] * (float)GAIN;
    return KILN_OK;
}
static const kiln_filter_ops filter = {.size = sizeof(filter), .run = run};
static const kiln_node node = {.size = sizeof(node), .name = "$1", .summary = "copies",
                               .example = "blank 1x1x2x2 ! $1", .filter = &filter};
KILN_PLUGIN("$2", "1", "MIT", &node);
C
}

@test "it fails with a message" {
    refuses 1 "kiln: odd: does not like this image" kiln blank 1x1x2x2 ! odd message
    refuses 1 "kiln: odd-sink: is full" kiln blank 1x1x2x2 ! odd-sink message
    refuses 1 "kiln: odd-sink: cannot end" kiln blank 1x1x2x2 ! odd-sink empty
    refuses 1 "kiln: ddim: odd-net: has no power" kiln randn 1x1x4x4 ! odd-net message ! ddim 2
    refuses 2 "odd: how: create fails, as it was told to" kiln blank 1x1x2x2 ! odd create
    # From inside a bracket the outer node is named too.
    refuses 1 "kiln: hstack: image: odd: does not like this image" kiln blank 1x1x2x2 ! hstack [ odd message ]
}

@test "it fails without a message, or with a code that is none" {
    refuses 1 "kiln: odd: fails without saying why" kiln blank 1x1x2x2 ! odd silent
    refuses 1 "kiln: odd: fails without saying why" kiln blank 1x1x2x2 ! odd code
    refuses 1 "kiln: odd-sink: fails without saying why" kiln blank 1x1x2x2 ! odd-sink silent
    refuses 1 "kiln: odd-net: fails without saying why" kiln randn 1x1x4x4 ! odd-net create ! ddim 2
}

@test "its message stays one line" {
    refuses 1 "odd: one" kiln blank 1x1x2x2 ! odd lines
    ! grep -q $'\x1b' refuses.err || false
}

@test "it crashes" {
    without_sanitizer
    for how in segfault abort overflow thread; do
        refuses 70 "kiln: odd: crashed" kiln blank 1x1x2x2 ! odd $how
    done
    refuses 70 "kiln: odd-net: crashed" kiln randn 1x1x4x4 ! odd-net segfault ! ddim 2
    # The stage below learns of it.
    status=0
    (ulimit -c 0; dash -c "kiln blank 1x1x2x2 | kiln odd segfault | kiln save out.png") 2>said || status=$?
    [ "$status" = 3 ]
    [ "$(cat said)" = "kiln: odd: crashed
kiln: standard input is empty: the stage above gave nothing" ]
    [ ! -e out.png ]
}

@test "two threads that crash at once say it once" {
    without_sanitizer
    for ((i = 0; i < 20; i++)); do
        refuses 70 "kiln: odd: crashed" kiln -j 2 blank 1x1x2x2 ! odd together
        [ "$(cat refuses.err)" = "kiln: odd: crashed" ]
    done
}

@test "a crash takes the files with it that are not whole" {
    without_sanitizer
    mkdir out
    refuses 70 "kiln: odd: crashed" kiln blank 1x1x2x2 ! tee out/a.png ! odd segfault ! save out/b.png
    [ "$(ls -A out)" = a.png ]
}

@test "it gives values that are no numbers" {
    refuses 1 "odd: gives values that are not finite" kiln blank 1x1x2x2 ! odd nan
    refuses 1 "odd: gives values that are not finite" kiln blank 1x1x2x2 ! odd infinite
    refuses 1 "odd: gives values that are not finite" kiln blank 1x1x2x2 ! hstack [ odd nan ]
    # The net or the step is named.
    refuses 1 "values that are not finite" kiln randn 1x1x4x4 ! odd-net nan ! ddim 2
}

@test "it plans what cannot be" {
    refuses 1 "odd: plans an image of" kiln blank 1x1x2x2 ! odd empty
    refuses 1 "odd: " kiln blank 1x1x2x2 ! odd huge
    refuses 1 "odd: takes row 1000 of 1" kiln blank 1x1x2x2 ! odd row
}

@test "a source that gives no image" {
    for how in silent grow message; do
        refuses 1 "odd-source: gives no image" kiln odd-source $how ! flip
    done
    refuses 1 "odd-source: gives an id below 0" kiln odd-source nothing ! flip
    # None at all is an end without documents, which the stage below understands.
    kiln odd-source empty | kiln flip | kiln save none.png
    [ ! -e none.png ]
}

@test "it needs what this host has not" {
    refuses 2 "odd-needs: needs the extension org.example.telepathy/3, which this kiln has not" \
        kiln blank 1x1x2x2 ! odd-needs
    refuses 2 "odd-kind is of a kind that this kiln does not know" kiln blank 1x1x2x2 ! odd-kind
}

@test "what it does to the floating point unit ends with the call" {
    # 1e-39 is subnormal: a processor that flushes such numbers makes 0 of its half.
    kiln blank 1x1x1x1 value=1e-39 ! odd halve >plain.st
    kiln blank 1x1x1x1 value=1e-39 ! odd flush ! odd halve >after.st
    [ "$(tensor plain.st image | tr -d ' ')" != 0 ]
    same_image plain.st after.st
    # Chunks neither get it from the caller nor from each other, whatever thread they are on.
    kiln blank 1x1x64x64 value=1e-39 ! odd halve >plain64.st
    for threads in 1 2 4; do
        kiln -j $threads blank 1x1x64x64 value=1e-39 ! odd chunks >chunks.st
        same_image plain64.st chunks.st
    done
    simple gentle org.example.gentle |
        plugin gentle -DGAIN=0.5 '-DMORE=__attribute__((constructor)) static void f(void) { unsigned c; __asm__("stmxcsr %0" : "=m"(c)); c |= 0x8040; __asm__ volatile("ldmxcsr %0" : : "m"(c)); }' ||
        skip "not an x86 compiler"
    kiln blank 1x1x1x1 value=1e-39 ! gentle >loaded.st
    same_image plain.st loaded.st
}

@test "with --pin each thread stays on a processor of its own" {
    [ "$(nproc)" -ge 2 ] || skip "one processor"
    kiln --pin -j 2 randn 64x1x28x28 ! mnist-unet mnist-class ! ddpm 300 ! save x.safetensors &
    local pid=$! places=
    for _ in {1..100}; do
        places=$(cat /proc/$pid/task/*/status | awk '$1 == "Cpus_allowed_list:" { print $2 }')
        [[ $places =~ ^[0-9]+$'\n'[0-9]+$ ]] && break
        sleep 0.1
    done
    kill $pid
    echo "$places"
    [[ $places =~ ^[0-9]+$'\n'[0-9]+$ ]]
    [ "$(sort -u <<<"$places" | wc -l)" = 2 ]
    run kiln --pin=yes blank 1x1x1x1
    [ "$status" = 2 ]
    KILN_PIN=yes kiln blank 1x1x2x2 >pinned.st
    kiln blank 1x1x2x2 >plain.st
    same_image pinned.st plain.st
}

@test "a text encoder computes exactly where nets are fast" {
    plugin sums <<'C'
#include <kiln/ext/ops.h>
#include <kiln/kiln.h>
// A layer that is not the same in fast and in exact: 3x3 over 32 channels.
static int layer(kiln_self *self, kiln_tensor **out)
{
    const kiln_host *h = self->host;
    const kiln_ops *ops = kiln_get_ops(self);
    const kiln_conv conv = {3, 1, 1, 0};
    const int64_t image[] = {1, 32, 32, 32}, weight[] = {32, 32, 3, 3};
    kiln_tensor *x = NULL, *w = NULL;
    kiln_packed *packed = NULL;
    int e = h->tensor_new(h, NULL, KILN_F32, 4, image, &x);
    e = e ? e : h->tensor_new(h, NULL, KILN_F32, 4, weight, &w);
    e = e ? e : h->tensor_new(h, NULL, KILN_F32, 4, image, out);
    for (int64_t i = 0; !e && i < kiln_numel(x); i++)
        kiln_f32(x)[i] = (float)(i * 7919 % 1009) / 1009 - 0.5f;
    for (int64_t i = 0; !e && i < kiln_numel(w); i++)
        kiln_f32(w)[i] = (float)(i * 104729 % 1013) / 1013 - 0.5f;
    e = e ? e : ops->pack_conv(h, &conv, w, 0, &packed);
    e = e ? e : ops->conv(h, packed, x, NULL, NULL, NULL, 1, KILN_ACT_NONE, *out);
    ops->pack_free(h, packed);
    h->tensor_free(h, x);
    h->tensor_free(h, w);
    return e;
}
static int encode(kiln_self *self, const char *text, kiln_tensor **out)
{
    (void)text;
    return layer(self, out);
}
static int plan(kiln_self *self, const kiln_rows *rows, kiln_plan *p)
{
    (void)self, (void)rows;
    for (int k = 1; k < 4; k++)
        p->shape[k] = 32;
    return KILN_OK;
}
static int run(kiln_self *self, const kiln_rows *rows, const kiln_tensor *in, kiln_tensor *out)
{
    kiln_tensor *y = NULL;
    int e = layer(self, &y);
    (void)rows, (void)in;
    e = e ? e : self->host->tensor_copy(self->host, out, y);
    self->host->tensor_free(self->host, y);
    return e;
}
static const kiln_encoder_ops encoder = {.size = sizeof(encoder), .encode = encode};
static const kiln_filter_ops filter = {.size = sizeof(filter), .plan = plan, .run = run};
static const kiln_node text = {.size = sizeof(text), .name = "sums-text", .summary = "a layer",
    .example = "blank 1x1x1x1 ! sums-text ! encode a", .needs = "kiln.ops/1", .encoder = &encoder};
static const kiln_node node = {.size = sizeof(node), .name = "sums", .summary = "a layer",
    .example = "blank 1x1x1x1 ! sums", .needs = "kiln.ops/1", .filter = &filter};
KILN_PLUGIN("org.example.sums", "1", "MIT", &text, &node);
C
    for precision in fast exact; do
        kiln --precision $precision blank 1x1x1x1 ! sums-text ! encode a ! sums >$precision.st
        tensor $precision.st cond.0 >$precision.text
        tensor $precision.st image >$precision.image
    done
    [ -s exact.text ]
    cmp exact.text exact.image
    cmp exact.text fast.text
    # The plain reference has one precision.
    kiln version -v | grep -q '^device .*, ref,' || ! cmp -s fast.image exact.image
}

@test "it is of another major, or needs a newer minor" {
    simple future org.example.future | sed 's/KILN_PLUGIN/#define kiln_plugin_v1 kiln_plugin_v2\n&/' |
        plugin future -DGAIN=1
    refuses 2 "future.so is built for version 2 of the SDK, this kiln has 1" kiln blank 1x1x2x2 ! future
    simple newer org.example.newer | plugin newer -DGAIN=1 -DKILN_MINOR=99
    refuses 2 "newer.so needs version 1.99 of the SDK, this kiln has 1." kiln blank 1x1x2x2 ! newer
    simple magic org.example.magic | sed 's/KILN_PLUGIN/#undef KILN_MAGIC\n#define KILN_MAGIC 7\n&/' |
        plugin magic -DGAIN=1
    refuses 2 "is no kiln plugin (wrong magic number)" kiln blank 1x1x2x2 ! magic
    # The others go on.
    kiln list >list 2>&1
    grep -q "^  odd " list
}

@test "it is no plugin at all" {
    mkdir plugins
    printf 'texty\0' >plugins/texty.so
    refuses 2 "no node 'texty': the plugin $PWD/plugins/texty.so" kiln blank 1x1x2x2 ! texty
    head -c 2000 "$BATS_FILE_TMPDIR/plugins/odd.so" >plugins/short.so
    printf 'shorty\0' >>plugins/short.so
    refuses 2 "no node 'shorty': the plugin $PWD/plugins/short.so" kiln blank 1x1x2x2 ! shorty
    echo 'const char name[] = "library"; const char *f(void) { return name; }' | plugin library
    refuses 2 "exports no 'kiln_plugin_v1'" kiln blank 1x1x2x2 ! library
    mkdir plugins/folder.so
    ln -s nowhere plugins/link.so
    : >plugins/empty.so
    kiln blank 1x1x2x2 ! flip >out.st
}

@test "it misses a symbol, crashes or ends the process when it is loaded" {
    simple missing org.example.missing | plugin missing -DGAIN='nowhere()' '-DMORE=double nowhere(void);'
    refuses 2 "nowhere" kiln blank 1x1x2x2 ! missing
    simple early org.example.early |
        plugin early -DGAIN=1 '-DMORE=__attribute__((constructor)) static void f(void) { abort(); }'
    refuses 2 "crashes when it is loaded (signal 6)" kiln blank 1x1x2x2 ! early
    simple quit org.example.quit |
        plugin quit -DGAIN=1 '-DMORE=__attribute__((constructor)) static void f(void) { _exit(0); }'
    refuses 2 "ends the process when it is loaded" kiln blank 1x1x2x2 ! quit
}

@test "it hangs when it is loaded" {
    simple hanging org.example.hanging |
        plugin hanging -DGAIN=1 '-DMORE=__attribute__((constructor)) static void f(void) { for (;;) sleep(1); }'
    begin=$SECONDS
    refuses 2 "hangs when it is loaded" kiln blank 1x1x2x2 ! hanging
    [ $((SECONDS - begin)) -ge 4 ] && [ $((SECONDS - begin)) -le 15 ]
}

@test "two plugins have one node name: the plugin's id picks, across pipes too" {
    simple double org.example.one | plugin one -DGAIN=1
    simple double org.example.two | plugin two -DGAIN=2
    refuses 2 "node 'double' is in two plugins: write 'org.example.one:double' or 'org.example.two:double'" \
        kiln blank 1x1x2x2 ! double
    kiln blank 1x1x1x1 value=1 ! org.example.two:double >out.st
    [ "$(tensor out.st image | tr -d ' ')" = 2 ]
    kiln blank 1x1x1x1 value=1 ! org.example.one:double >out.st
    [ "$(tensor out.st image | tr -d ' ')" = 1 ]
    refuses 2 "no node 'org.example.three:double'" kiln blank 1x1x2x2 ! org.example.three:double
    # A line that waits, and one that is run again, must find the same.
    chain_is randn 1x1x4x4 ! odd-net ! hybrid [ ] [ ] filter= [ org.example.two:double ] ! ddim 2
    options=()
    every_cut out.st
    kiln blank 1x1x2x2 value=0.25 ! org.example.two:double ! save out.png
    kiln run out.png ! save again.png
    cmp again.png out.png
}

@test "a name that is not allowed" {
    simple help org.example.help | plugin help -DGAIN=1
    kiln list >list 2>&1 || true
    kiln blank 1x1x2x2 ! flip ! save out.png
    refuses 2 "help" kiln blank 1x1x2x2 ! help
    grep -q "which is a verb of kiln" refuses.err
    simple Loud org.example.loud | plugin loud -DGAIN=1
    refuses 2 "has a node named 'Loud'" kiln blank 1x1x2x2 ! Loud
}

@test "a filter of theirs is a view when it moves and turns values, and only then" {
    kiln randn 1x1x4x4 ! odd-net ! anagram "" "" view="odd chess" ! ddim 2 >out.st
    kiln randn 1x1x4x4 ! odd-net ! anagram "" "" view= [ flip ! odd chess ! rotate 90 ] ! ddim 2 >out.st
    for view in "odd gain" "odd halve" "blur 1 kernel=3"; do
        refuses 1 "'$view' is not orthogonal: noise would not stay noise" \
            kiln randn 1x1x4x4 ! odd-net ! anagram "" "" view="$view" ! ddim 2
    done
    refuses 1 "'odd clamp' is not orthogonal: it is not even linear" \
        kiln randn 1x1x4x4 ! odd-net ! anagram "" "" view="odd clamp" ! ddim 2
    refuses 1 "'odd grow' changes the size from 1x4x4 to 1x4x5" \
        kiln randn 1x1x4x4 ! odd-net ! anagram "" "" view="odd grow" ! ddim 2
    refuses 1 "odd: does not like this image" \
        kiln randn 1x1x4x4 ! odd-net ! anagram "" "" view="odd message" ! ddim 2
    # The three that earlier programs shipped as views and that are none.
    refuses 1 "not orthogonal" kiln randn 1x1x28x28 ! "${net[@]}" ! anagram 1 2 view="motion-blur" ! ddim 2
    refuses 2 "wants a filter" kiln randn 1x1x4x4 ! odd-net ! anagram "" "" view="cfg 5" ! ddim 2
}

@test "a hybrid takes linear filters only" {
    kiln randn 1x1x4x4 ! odd-net ! hybrid "" "" filter="odd gain" ! ddim 2 >out.st
    refuses 1 "'odd clamp' is not linear" kiln randn 1x1x4x4 ! odd-net ! hybrid "" "" filter="odd clamp" ! ddim 2
    refuses 1 "'clamp' is not linear" kiln randn 1x1x28x28 ! "${net[@]}" ! hybrid 1 2 filter="clamp" ! ddim 2
}
