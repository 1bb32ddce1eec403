// Opened files and folders of weights: what is in them, conversions, JSON, and what is refused.
// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "golden.h"

#include <sys/stat.h>
#include <unistd.h>

#include "../../host/weights_file.h"

static char folder[] = "/tmp/test_weights_XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[64][4096];
    static int turn;
    char *p = path[turn++ % 64];
    snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
    return p;
}

static void write_bytes(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

static int make_folder(void **state)
{
    (void)state;
    return !mkdtemp(folder);
}

static int remove_all(const char *path)
{
    char command[4200];
    snprintf(command, sizeof(command), "rm -rf '%s'", path);
    return system(command);
}

static int remove_folder(void **state)
{
    (void)state;
    return remove_all(folder);
}

// A fresh folder for one test.
static const char *fresh(const char *name)
{
    const char *path = in_folder(name);
    assert_int_equal(remove_all(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static void refused(const char *path, const char *why)
{
    struct weights_file *f;
    assert_int_equal(weights_open(path, &f), KILN_ERR_IO);
    assert_null(f);
    if (!strstr(fail_text(), why) || strncmp(fail_text(), path, strlen(path)))
        fail_msg("\"%s\" does not mention \"%s\"", fail_text(), why);
}

static struct weights_file *opened(const char *path)
{
    struct weights_file *f;
    if (weights_open(path, &f))
        fail_msg("%s", fail_text());
    return f;
}

static void check_ramp(const struct weights_file *f, const char *name, int dtype)
{
    kiln_tensor *t, *d;
    int from = weights_find(f, name)->dtype;
    if (weights_tensor(f, name, dtype, 0, NULL, &t))
        fail_msg("%s", fail_text());
    assert_int_equal(tensor_dtype(t), dtype ? dtype : from);
    assert_int_equal(tensor_convert(t, KILN_F64, &d), 0);
    for (int64_t i = 0; i < kiln_numel(d); i++)
        assert_true(((double *)tensor_data(d))[i] == ramp(from, i));
    tensor_unref(t);
    tensor_unref(d);
}

static void lists_and_converts(void **state)
{
    (void)state;
    struct weights_file *f = opened(golden("canonical.safetensors"));
    static const char *const sorted[] = {
        "", "Z", "a", "b.weight", "c", "empty", "quote\"back\\slash", "\xc3\xa9"};
    for (uint64_t i = 0; i < 8; i++)
        assert_string_equal(weights_entry(f, i)->name, sorted[i]);
    assert_null(weights_entry(f, 8));
    assert_null(weights_find(f, "b"));
    assert_string_equal(weights_meta(f, ""), "empty key");
    assert_null(weights_meta(f, "absent"));
    static const char *const floats[] = {"b.weight", "\xc3\xa9", "Z", "quote\"back\\slash",
                                         "empty"};
    static const int float_types[] = {0, KILN_F32, KILN_F64, KILN_F16, KILN_BF16};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 5; k++)
            check_ramp(f, floats[i], float_types[k]);
    check_ramp(f, "a", KILN_I32);
    check_ramp(f, "a", KILN_I64);
    check_ramp(f, "a", KILN_F32);
    check_ramp(f, "c", KILN_I64);
    check_ramp(f, "", KILN_I32);
    kiln_tensor *t;
    assert_int_equal(weights_tensor(f, "b.weight", KILN_I32, 0, NULL, &t), KILN_ERR_ARG);
    assert_int_equal(weights_tensor(f, "", KILN_U8, 0, NULL, &t), KILN_ERR_ARG);  // it is -1
    assert_null(t);
    assert_int_equal(weights_tensor(f, "b", 0, 0, NULL, &t), KILN_ERR_IO);
    assert_non_null(strstr(fail_text(), "no tensor 'b'"));
    assert_int_equal(weights_tensor(f, "b.weight", 0, 2, (int64_t[]){2, 3}, &t), 0);
    tensor_unref(t);
    assert_int_equal(weights_tensor(f, "b.weight", 0, 2, (int64_t[]){3, 2}, &t), KILN_ERR_SHAPE);
    assert_non_null(strstr(fail_text(), "'b.weight' is 2x3, not 3x2"));
    assert_int_equal(weights_tensor(f, "b.weight", 0, 1, (int64_t[]){6}, &t), KILN_ERR_SHAPE);
    weights_close(f);
    weights_close(NULL);
}

static void reads_torch_files_alike(void **state)
{
    (void)state;
    struct weights_file *f = opened(golden("torch-types.pt"));
    check_ramp(f, "float16", KILN_F32);
    check_ramp(f, "bfloat16", KILN_F32);
    check_ramp(f, "float64", KILN_F32);
    check_ramp(f, "int64", KILN_I64);
    assert_non_null(weights_find(f, "float32")->data);
    weights_close(f);
    f = opened(golden("torch-nested.pt"));
    assert_string_equal(weights_meta(f, "epoch"), "7");
    weights_close(f);
    f = opened(golden("torch-strided.pt"));
    assert_null(weights_find(f, "t")->data);
    weights_close(f);
    refused(golden("torch-module.pt"), "net.state_dict()");
}

// Rows of the table are those of the whole tensor.
static void check_rows(const char *file, const char *name, int dtype)
{
    struct weights_file *f = opened(golden(file));
    const struct weights_entry *x = weights_find(f, name);
    const int32_t row[] = {(int32_t)x->shape[0] - 1, 0, 0};
    kiln_tensor *all, *rows;
    assert_int_equal(weights_tensor(f, name, dtype, 0, NULL, &all), 0);
    assert_int_equal(weights_rows(f, name, dtype, 3, row, &rows), 0);
    assert_int_equal(tensor_dtype(rows), tensor_dtype(all));
    assert_int_equal(rows->ndim, 2);
    assert_int_equal(rows->shape[0], 3);
    assert_int_equal(rows->shape[1], x->shape[1]);
    size_t bytes = tensor_bytes(rows) / 3;
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal((char *)tensor_data(rows) + i * bytes,
                            (char *)tensor_data(all) + (size_t)row[i] * bytes, bytes);
    tensor_unref(all);
    tensor_unref(rows);
    const int32_t beyond = (int32_t)x->shape[0], below = -1;
    assert_int_equal(weights_rows(f, name, dtype, 1, &beyond, &rows), KILN_ERR_ARG);
    assert_int_equal(weights_rows(f, name, dtype, 1, &below, &rows), KILN_ERR_ARG);
    assert_null(rows);
    weights_close(f);
}

static void gives_rows(void **state)
{
    (void)state;
    check_rows("canonical.safetensors", "b.weight", 0);
    check_rows("canonical.safetensors", "b.weight", KILN_F32);
    check_rows("torch-strided.pt", "slice", KILN_F16);
    check_rows("torch-strided.pt", "t", 0);
    struct weights_file *f = opened(golden("canonical.safetensors"));
    const int32_t first = 0;
    kiln_tensor *t;
    assert_int_equal(weights_rows(f, "", 0, 1, &first, &t), KILN_ERR_SHAPE);
    assert_non_null(strstr(fail_text(), "not a table"));
    assert_int_equal(weights_rows(f, "b.weight", KILN_I32, 1, &first, &t), KILN_ERR_ARG);
    assert_int_equal(weights_rows(f, "b", 0, 1, &first, &t), KILN_ERR_IO);
    assert_null(t);
    weights_close(f);
}

static void refuses_broken_files(void **state)
{
    (void)state;
    size_t n;
    unsigned char *p = slurp(golden("canonical.safetensors"), &n);
    const char *path = in_folder("broken.safetensors");
    for (size_t i = 0; i < n; i++) {
        write_bytes(path, p, i);
        refused(path, i ? "" : "empty");
    }
    refused(path, "truncated in tensor 'é': 72 of 73 bytes");
    p[n] = 0;
    write_bytes(path, p, n + 1);
    refused(path, "1 bytes follow");
    memcpy(p, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    write_bytes(path, p, n);
    refused(path, "16 MiB");
    memcpy(p, "\0\0\1\0\0\0\0\0", 8);
    write_bytes(path, p, n);
    refused(path, "truncated within its header");
    write_text(path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 743\n");
    refused(path, "a pointer of Git LFS");
    write_text(path, "hello, world");
    refused(path, "neither a safetensors file nor one of torch.save");
    refused(in_folder("absent"), "no such file");
    refused(fresh("nothing"), "without weights");
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    refused(in_folder("fifo"), "not a regular file");
    free(p);
}

static void copy(const char *from, const char *to)
{
    size_t n;
    unsigned char *p = slurp(from, &n);
    write_bytes(to, p, n);
    free(p);
}

static void opens_folders(void **state)
{
    (void)state;
    static const char *const names[] = {
        "model.safetensors", "diffusion_pytorch_model.safetensors", "model.fp16.safetensors",
        "diffusion_pytorch_model.fp16.safetensors", "model.bf16.safetensors"};
    for (int i = 0; i < 5; i++) {
        char path[4200];
        const char *dir = fresh("one");
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        copy(golden("library.safetensors"), path);
        struct weights_file *f = opened(dir);
        check_ramp(f, "w", KILN_F32);
        assert_string_equal(weights_meta(f, "format"), "pt");
        weights_close(f);
    }
    const char *dir = fresh("bin");
    copy(golden("torch-types.pt"), in_folder("bin/pytorch_model.bin"));
    struct weights_file *f = opened(dir);
    check_ramp(f, "float16", KILN_F32);
    weights_close(f);
    // Safetensors before pickles, full precision before half but where half is asked for.
    copy(golden("library.safetensors"), in_folder("bin/diffusion_pytorch_model.bf16.safetensors"));
    f = opened(dir);
    check_ramp(f, "w", KILN_F32);
    weights_close(f);
    copy(golden("canonical.safetensors"), in_folder("bin/diffusion_pytorch_model.safetensors"));
    f = opened(dir);
    check_ramp(f, "b.weight", KILN_F32);
    weights_close(f);
    assert_int_equal(weights_open_half(dir, &f), 0);
    check_ramp(f, "w", KILN_F32);
    weights_close(f);
}

// Shards of pickles, and an index without one of their tensors.
static void opens_shards_of_pickles(void **state)
{
    (void)state;
    const char *dir = fresh("pickles"), *index = in_folder("pickles/pytorch_model.bin.index.json");
    copy(golden("torch-strided.pt"), in_folder("pickles/pytorch_model-00001-of-00001.bin"));
#define PICKLE "\":\"pytorch_model-00001-of-00001.bin\","
    write_text(index, "{\"weight_map\":{\"t" PICKLE "\"slice" PICKLE "\"wide" PICKLE
                      "\"last\":\"pytorch_model-00001-of-00001.bin\"}}");
    struct weights_file *f = opened(dir);
    assert_int_equal(weights_find(f, "wide")->ndim, 2);
    weights_close(f);
    write_text(index, "{\"weight_map\":{\"t" PICKLE "\"slice" PICKLE "\"wide" PICKLE "\"last" PICKLE
                      "\"first\":\"pytorch_model-00001-of-00001.bin\"}}");
    refused(dir, "tensor 'first' is not in pytorch_model-00001-of-00001.bin");
}

static void opens_shards(void **state)
{
    (void)state;
    static const char *const index[] = {
        "model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.json",
        "model.safetensors.index.fp16.json", "diffusion_pytorch_model.safetensors.index.fp16.json",
        "diffusion_pytorch_model.safetensors.fp16.index.json"};
    const char *dir = NULL;
    char path[4200];
    for (int i = 0; i < 5; i++) {
        dir = fresh("shards");
        copy(golden("library.safetensors"), in_folder("shards/model-00001-of-00002.safetensors"));
        const char *const name = "z";
        kiln_tensor *z = new_ramp(KILN_F16, 1, (int64_t[]){3});
        assert_int_equal(weights_write(in_folder("shards/model-00002-of-00002.safetensors"), 1,
                                       &name, (const kiln_tensor *const *)&z, NULL),
                         0);
        tensor_unref(z);
        snprintf(path, sizeof(path), "%s/%s", dir, index[i]);
#define HEAD "{\"metadata\":{\"total_size\":1},\"weight_map\":{"
#define ONE "\"model-00001-of-00002.safetensors\""
#define TWO "\"model-00002-of-00002.safetensors\""
#define MAP "\"half\":" ONE ",\"n\":" ONE ",\"w\":" ONE ",\"u\":" ONE
        write_text(path, HEAD MAP ",\"z\":" TWO "}}");
        struct weights_file *f = opened(dir);
        check_ramp(f, "w", KILN_F32);
        check_ramp(f, "z", KILN_F32);
        assert_string_equal(weights_entry(f, 4)->name, "z");
        assert_null(weights_entry(f, 5));
        weights_close(f);
    }
    static const struct {
        const char *text, *why;
    } bad[] = {
        {HEAD MAP ",\"z\":" TWO ",\"y\":" TWO "}}", "'y' is not in model-00002"},
        {HEAD MAP ",\"z\":" ONE "}}", "'z' is not in model-00001"},
        {HEAD "\"half\":" ONE ",\"n\":" ONE ",\"w\":" ONE ",\"z\":" TWO "}}",
         "'u' is in model-00001-of-00002.safetensors, which the index does not say"},
        {HEAD MAP ",\"z\":" TWO ",\"w\":" ONE "}}", "duplicate"},
        {HEAD "\"half\":" TWO ",\"n\":" ONE ",\"w\":" ONE ",\"u\":" ONE ",\"z\":" TWO "}}",
         "'half' is in model-00001-of-00002.safetensors, not in model-00002"},
        {HEAD MAP ",\"z\":\"absent.safetensors\"}}", "absent.safetensors: no such file"},
        {HEAD MAP ",\"z\":\"../shards/x.safetensors\"}}", "plain file name"},
        {HEAD MAP ",\"z\":\"/etc/passwd\"}}", "plain file name"},
        {HEAD MAP ",\"z\":\"..\"}}", "plain file name"},
        {HEAD MAP ",\"z\":1}}", "plain file name"},
        {"{}", "'weight_map' is missing"},
        {"{\"weight_map\":[]}", "'weight_map' is missing"},
        {"[]", "'weight_map' is missing"},
        {"{", "in line 1"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_text(path, bad[i].text);
        refused(dir, bad[i].why);
    }
}

static void number_is(const struct weights_file *f, const char *document, const char *pointer,
                      double want)
{
    double number;
    const char *text = "";
    if (weights_json(f, document, pointer, &number, &text))
        fail_msg("%s %s: %s", document, pointer, fail_text());
    assert_null(text);
    assert_true(number == want);
}

static int json(const struct weights_file *f, const char *document, const char *pointer,
                const char **text)
{
    double number;
    return weights_json(f, document, pointer, &number, text);
}

static void finds_json_by_pointer(void **state)
{
    (void)state;
    const char *dir = fresh("json"), *text;
    mkdir(in_folder("json/scheduler"), 0755);
    write_text(in_folder("json/scheduler/config.json"), "{\"betas\":\"linear\"}");
    write_text(in_folder("json/config.json"),
               "{\"a\":[1,2.5,{\"b\":true}],\"x/y\":3,\"m~n\":\"t\",\"\":0,\"none\":null}");
    write_text(in_folder("json/broken.json"), "{\"a\":}");
    write_text(
        in_folder("json/python.json"),
        "{\"least\": -Infinity, \"most\":Infinity,\"none\":[NaN], \"is \\\" NaN\": \"NaN\"}");
    write_text(in_folder("outside.json"), "1");
    struct weights_file *f = opened(dir);
    assert_null(weights_entry(f, 0));
    for (int again = 0; again < 2; again++) {
        number_is(f, "config.json", "/a/0", 1);
        number_is(f, "config.json", "/a/1", 2.5);
        number_is(f, "config.json", "/a/2/b", 1);
        number_is(f, "config.json", "/x~1y", 3);
        number_is(f, "config.json", "/", 0);
        assert_int_equal(json(f, "python.json", "/least", &text), 0);
        assert_string_equal(text, "-Infinity");
        assert_int_equal(json(f, "python.json", "/most", &text), 0);
        assert_string_equal(text, "Infinity");
        assert_int_equal(json(f, "python.json", "/none/0", &text), 0);
        assert_string_equal(text, "NaN");
        assert_int_equal(json(f, "python.json", "/is \" NaN", &text), 0);
        assert_string_equal(text, "NaN");
        assert_int_equal(json(f, "config.json", "/m~0n", &text), 0);
        assert_string_equal(text, "t");
        assert_int_equal(json(f, "scheduler/config.json", "/betas", &text), 0);
        assert_string_equal(text, "linear");
    }
    static const char *const absent[] = {"/a/3", "/a/01", "/a/-1",  "/a/x", "/b",
                                         "/x",   "/none", "/a/0/0", "a",    "/a/2/b/c"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_int_equal(json(f, "config.json", absent[i], &text), KILN_END);
    assert_int_equal(json(f, "absent.json", "/a", &text), KILN_END);
    assert_int_equal(json(f, "../outside.json", "", &text), KILN_END);
    assert_int_equal(json(f, in_folder("outside.json"), "", &text), KILN_END);
    assert_int_equal(json(f, "config.json", "/a", &text), KILN_ERR_IO);
    assert_int_equal(json(f, "config.json", "", &text), KILN_ERR_IO);
    assert_int_equal(json(f, "broken.json", "/a", &text), KILN_ERR_IO);
    assert_non_null(strstr(fail_text(), "broken.json"));
    weights_close(f);
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    const char *path = in_folder("out.safetensors"), *text;
    kiln_tensor *w = new_ramp(KILN_BF16, 3, (int64_t[]){2, 1, 3}), *n = new_ramp(KILN_I64, 0, NULL);
    const char *const meta[] = {"config", "{\"width\":64,\"kind\":\"class\"}", "note", "x", NULL};
    const char *const names[] = {"w", "n"};
    const kiln_tensor *const tensors[] = {w, n};
    assert_int_equal(weights_write(path, 2, names, tensors, meta), 0);
    struct weights_file *f = opened(path);
    check_ramp(f, "w", KILN_F32);
    check_ramp(f, "n", 0);
    number_is(f, "config", "/width", 64);
    assert_int_equal(json(f, "config", "/kind", &text), 0);
    assert_string_equal(text, "class");
    assert_int_equal(json(f, "note", "", &text), KILN_ERR_IO);
    weights_close(f);
    // A failure leaves the old file as it was.
    const char *const twice[] = {"w", "w"};
    assert_int_equal(weights_write(path, 2, twice, tensors, NULL), KILN_ERR_ARG);
    f = opened(path);
    check_ramp(f, "w", KILN_F32);
    weights_close(f);
    assert_int_equal(weights_write(in_folder("no/such/folder"), 2, names, tensors, NULL),
                     KILN_ERR_IO);
    tensor_unref(w);
    tensor_unref(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_converts),
        cmocka_unit_test(reads_torch_files_alike),
        cmocka_unit_test(gives_rows),
        cmocka_unit_test(refuses_broken_files),
        cmocka_unit_test(opens_folders),
        cmocka_unit_test(opens_shards),
        cmocka_unit_test(opens_shards_of_pickles),
        cmocka_unit_test(finds_json_by_pointer),
        cmocka_unit_test(writes_what_it_reads),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
