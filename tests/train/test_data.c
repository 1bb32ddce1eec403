// digits on whole and on damaged IDX files, plot on tables.
// SPDX-License-Identifier: MIT
#define _POSIX_C_SOURCE 200809L  // setenv, mkdtemp
#include "plugins/trainer/nodes.h"
#include "tests/support/stub_host.h"

#include <kiln/ext/paths.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

enum { N = 7, ROWS = 3, COLS = 5, SIZE = ROWS * COLS };
static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][200];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

static void write_bytes(const char *name, const unsigned char *p, size_t n)
{
    size_t k = strlen(name);
    if (k > 3 && !strcmp(name + k - 3, ".gz")) {
        gzFile f = gzopen(in_folder(name), "wb");
        assert_non_null(f);
        assert_int_equal(gzwrite(f, p, (unsigned)n), n);
        assert_int_equal(gzclose(f), Z_OK);
        return;
    }
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static unsigned char images[16 + N * SIZE] = {0, 0, 8, 3, 0, 0, 0, N, 0, 0, 0, ROWS, 0, 0, 0, COLS};
static unsigned char labels[8 + N] = {0, 0, 8, 1, 0, 0, 0, N};

static void fill(void)
{
    for (int i = 0; i < N * SIZE; i++)
        images[16 + i] = (unsigned char)(i * 37 % 256);
    for (int i = 0; i < N; i++)
        labels[8 + i] = (unsigned char)(i * 3 % 10);
}

static void remove_all(void)
{
    static const char *const names[] = {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz",
                                        "train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz",
                                        "t10k-images-idx3-ubyte",  "t10k-labels-idx1-ubyte"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in_folder(names[i]));
}

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "test_data.XXXXXX");
    fill();
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    remove_all();
    return rmdir(folder);
}

static int next(kiln_host *h, const kiln_node *node, const char *const *args, kiln_document *doc)
{
    *doc = (kiln_document){.size = sizeof(*doc), .t = KILN_CLEAN, .lo = -1, .hi = 1};
    kiln_self *self = stub_node_new(h, node, args);
    if (!self)
        fail_msg("%s", stub_error(h));
    int e = node->source->next(self, doc);
    if (!e) {
        kiln_document after = {.size = sizeof(after)};
        assert_int_equal(node->source->next(self, &after), KILN_END);
    }
    // Texts and ids are the instance's: looked at before it goes.
    if (!e && doc->prompt) {
        int64_t n = doc->image->shape[0];
        for (int64_t i = 0; i < n; i++) {
            int64_t id = doc->id[i];
            char digit[8];
            snprintf(digit, sizeof(digit), "%d", labels[8 + id]);
            assert_string_equal(doc->prompt[i], digit);
            for (int k = 0; k < SIZE; k++)
                assert_true(kiln_f32(doc->image)[i * SIZE + k] ==
                            (float)images[16 + id * SIZE + k] / 255.0F);
        }
    }
    stub_node_free(node, self);
    return e;
}

static const char *dir_arg(void)
{
    static char arg[80];
    snprintf(arg, sizeof(arg), "dir=%s", folder);
    return arg;
}

static void reads(const char *image_name, const char *label_name, const char *set)
{
    kiln_host *h = stub_host_new();
    kiln_document doc;
    char arg[20];
    remove_all();
    write_bytes(image_name, images, sizeof(images));
    write_bytes(label_name, labels, sizeof(labels));
    snprintf(arg, sizeof(arg), "set=%s", set);
    if (next(h, &digits_node, (const char *[]){arg, dir_arg(), NULL}, &doc))
        fail_msg("%s", stub_error(h));
    assert_int_equal(doc.image->shape[0], N);
    assert_int_equal(doc.image->shape[1], 1);
    assert_int_equal(doc.image->shape[2], ROWS);
    assert_int_equal(doc.image->shape[3], COLS);
    assert_true(doc.lo == 0 && doc.hi == 1 && doc.t < 0);
    assert_int_equal(doc.total, 1);
    h->tensor_free(h, doc.image);
    assert_int_equal(stub_host_free(h), 0);
}

static void digits_are_read_plain_and_compressed(void **state)
{
    (void)state;
    reads("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "train");
    reads("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "train");
    reads("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "test");
}

static void digits_are_picked_by_index(void **state)
{
    kiln_host *h = stub_host_new();
    kiln_document doc;
    (void)state;
    reads("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "train");
    assert_int_equal(
        next(h, &digits_node, (const char *[]){"set=train", "images=5,0,2", dir_arg(), NULL}, &doc),
        0);
    assert_int_equal(doc.image->shape[0], 3);
    h->tensor_free(h, doc.image);
    assert_int_equal(
        next(h, &digits_node, (const char *[]){"set=train", "images=5,7", dir_arg(), NULL}, &doc),
        KILN_ERR_ARG);
    assert_string_equal(stub_error(h), "image 7: the set has 0 to 6");
    stub_host_free(h);
}

static void refused(const char *text)
{
    kiln_host *h = stub_host_new();
    kiln_document doc;
    int e = next(h, &digits_node, (const char *[]){"set=train", dir_arg(), NULL}, &doc);
    if (e >= 0 || !strstr(stub_error(h), text))
        fail_msg("%d '%s' instead of '%s'", e, stub_error(h), text);
    stub_host_free(h);
}

static void damaged_digits_are_refused(void **state)
{
    unsigned char bad[sizeof(images) + 1];
    const char *name = "train-images-idx3-ubyte";
    (void)state;
    remove_all();
    refused("has no file 'train-images-idx3-ubyte'");
    write_bytes(name, images, sizeof(images));
    refused("has no file 'train-labels-idx1-ubyte'");
    write_bytes("train-labels-idx1-ubyte", labels, sizeof(labels));
    for (size_t n = 0; n < sizeof(images); n += 9) {
        write_bytes(name, images, n);
        refused("cut short");
    }
    memcpy(bad, images, sizeof(images));
    bad[sizeof(images)] = 0;
    write_bytes(name, bad, sizeof(bad));
    refused("longer than its sizes say");
    bad[3] = 1;
    write_bytes(name, bad, sizeof(images));
    refused("no IDX file of images");
    bad[3] = 3;
    bad[4] = 0xff;  // four thousand million images
    write_bytes(name, bad, sizeof(images));
    refused("out of range");
    bad[4] = 0;
    bad[7] = N - 1;
    write_bytes(name, bad, sizeof(images) - SIZE);
    refused("6 images, but 7 labels");
    bad[7] = 0;
    write_bytes(name, bad, 16);
    refused("out of range");
}

static void damaged_compression_is_refused(void **state)
{
    unsigned char packed[4096];
    (void)state;
    remove_all();
    write_bytes("train-labels-idx1-ubyte.gz", labels, sizeof(labels));
    write_bytes("train-images-idx3-ubyte.gz", images, sizeof(images));
    FILE *f = fopen(in_folder("train-images-idx3-ubyte.gz"), "rb");
    assert_non_null(f);
    size_t n = fread(packed, 1, sizeof(packed), f);
    fclose(f);
    f = fopen(in_folder("train-images-idx3-ubyte.gz"), "wb");
    assert_int_equal(fwrite(packed, 1, n / 2, f), n / 2);
    fclose(f);
    refused("train-images-idx3-ubyte.gz': ");
    packed[n - 6] ^= 1;  // the sum of the data
    f = fopen(in_folder("train-images-idx3-ubyte.gz"), "wb");
    assert_int_equal(fwrite(packed, 1, n, f), n);
    fclose(f);
    refused("damaged");
}

static const char *find(const kiln_host *h, const char *kind, const char *name)
{
    (void)h;
    return strcmp(kind, "data") || strcmp(name, "mnist") ? NULL : folder;
}

static void digits_that_ship_are_found(void **state)
{
    static const kiln_paths paths = {sizeof(paths), find};
    kiln_host *h = stub_host_new();
    kiln_document doc;
    (void)state;
    reads("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "train");
    unsetenv("KILN_DATA");
    assert_int_equal(next(h, &digits_node, (const char *[]){"set=train", NULL}, &doc), KILN_ERR_IO);
    assert_non_null(strstr(stub_error(h), "KILN_DATA"));
    stub_set_extension(h, "kiln.paths/1", &paths);
    assert_int_equal(next(h, &digits_node, (const char *[]){"set=train", NULL}, &doc), 0);
    h->tensor_free(h, doc.image);
    assert_int_equal(stub_host_free(h), 0);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, (const unsigned char *)text, strlen(text));
}

static int plot(kiln_host *h, const char *path, const char *more, kiln_document *doc)
{
    char arg[300];
    snprintf(arg, sizeof(arg), "path=%s", path);
    return next(h, &plot_node, (const char *[]){arg, more, NULL}, doc);
}

static void not_plotted(const char *table, const char *more, const char *text)
{
    kiln_host *h = stub_host_new();
    kiln_document doc;
    write_text("table.tsv", table);
    if (plot(h, in_folder("table.tsv"), more, &doc) >= 0 || !strstr(stub_error(h), text))
        fail_msg("'%s' instead of '%s'", stub_error(h), text);
    unlink(in_folder("table.tsv"));
    assert_int_equal(stub_host_free(h), 0);
}

static void tables_that_cannot_be_plotted_are_refused(void **state)
{
    (void)state;
    not_plotted("", NULL, "is empty");
    not_plotted("step\tlr\n1\t2\n", NULL, "has no column 'loss'; it has: step lr");
    not_plotted("\211PNG\r\n", NULL, "has no column 'step'; it has: ?PNG");
    not_plotted("step\tloss\n1\t2\nx\t3\n", NULL, "line 3: no numbers");
    not_plotted("step\tloss\n1\n2\t3\n", NULL, "line 2: no numbers");
    not_plotted("step\tloss\n1\t2\n", "size=80", "size: wants WxH");
    not_plotted("step\tloss\n1\t2\n", "size=99999x500", "size: wants WxH");
}

// Of a falling curve: dark where it passes, light elsewhere; a last line half written is left out.
static void a_curve_is_drawn_where_it_is(void **state)
{
    kiln_host *h = stub_host_new();
    kiln_document doc;
    (void)state;
    write_text("table.tsv", "step\tx\tloss\n0\t0\t1\n100\t0\t0.01\n200\t0\t");
    if (plot(h, in_folder("table.tsv"), "size=400x300", &doc))
        fail_msg("%s", stub_error(h));
    assert_int_equal(doc.image->shape[0], 1);
    assert_int_equal(doc.image->shape[1], 3);
    assert_int_equal(doc.image->shape[2], 300);
    assert_int_equal(doc.image->shape[3], 400);
    const float *red = kiln_f32(doc.image), *blue = red + 2 * 300 * 400;
    int top_left = 0, top_right = 0, bottom_right = 0;  // coloured pixels: more blue than red
    double sum = 0;
    for (int y = 0; y < 300; y++)
        for (int x = 0; x < 400; x++) {
            int i = y * 400 + x, coloured = blue[i] - red[i] > 0.3F;
            sum += (double)red[i];
            top_left += coloured && y < 100 && x < 200;
            top_right += coloured && y < 100 && x >= 300;
            bottom_right += coloured && y > 180 && x > 250;
        }
    assert_true(sum / (300 * 400) > 0.85);
    assert_true(top_left > 50);
    assert_true(bottom_right > 50);
    assert_int_equal(top_right, 0);
    h->tensor_free(h, doc.image);
    unlink(in_folder("table.tsv"));
    assert_int_equal(stub_host_free(h), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_are_read_plain_and_compressed),
        cmocka_unit_test(digits_are_picked_by_index),
        cmocka_unit_test(damaged_digits_are_refused),
        cmocka_unit_test(damaged_compression_is_refused),
        cmocka_unit_test(digits_that_ship_are_found),
        cmocka_unit_test(tables_that_cannot_be_plotted_are_refused),
        cmocka_unit_test(a_curve_is_drawn_where_it_is),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
