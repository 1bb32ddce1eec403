// Files made to look like those of torch.save: nothing in them is run, and nothing is believed.
// SPDX-License-Identifier: MIT
#include "golden.h"

#include <zlib.h>

#include "../../host/torch_file.h"

#define S(text) text, sizeof(text) - 1
#define STORAGE                                                                                    \
    "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"                                             \
    "0X\3\0\0\0cpuK\4tQ"
#define TENSOR(offset, shape, stride)                                                              \
    "\x80\2ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE offset shape stride "\x89"                \
    "ccollections\nOrderedDict\n)RtR."

static const struct {
    const char *pickle;
    size_t n;
    const char *why;  // NULL: accepted
} pickles[] = {
    {S("\x80\2}."), NULL},
    {S("\x80\2}X\1\0\0\0aK\1s."), NULL},
    {S("\x80\4\x95\0\0\0\0\0\0\0\0]\x94."), NULL},
    {S(TENSOR("K\0", "K\2K\2\x86", "K\2K\1\x86")), NULL},
    {S(TENSOR("K\3", "K\1\x85", "J\xff\xff\xff\x7f\x85")), NULL},
    {S("cos\nsystem\n(X\4\0\0\0true\x85R."), "refused: the pickle names 'os.system'"},
    {S("\x80\2cposix\nsystem\n."), "'posix.system'"},
    {S("\x80\2cbuiltins\neval\n."), "'builtins.eval'"},
    {S("\x80\2ctorch.storage\n_load_from_bytes\n."), "'torch.storage._load_from_bytes'"},
    {S("\x80\2ctorch._utils\n_rebuild_tensor_v2.__globals__\n."), "refused"},
    {S("\x80\4\x8c\2os\x8c\6system\x93."), "'os.system'"},
    {S("\x80\2carg\xffparse\nName\x1bspace\n."), "'arg?parse.Name?space'"},
    {S("\x80\2cnet\nNet\nq\0)\x81}X\x08\0\0\0_modules}sb."), "class 'net.Net'"},
    {S("\x80\2cnet\nNet\nq\0)\x81}X\x08\0\0\0_lodules}sb."), "refused: the pickle names"},
    {S("(ios\nsystem\n."), "operation 0x69"},  // INST
    {S("\x80\2}o."), "operation 0x6f"},
    {S("\x80\2)\x81."), "operation 0x81"},
    {S("\x80\2\x82\1."), "operation 0x82"},
    {S("S'text'\n."), "operation 0x53"},
    {S("\x80\6}."), "protocol"},
    {S(""), "ends too early"},
    {S("\x80"), "ends too early"},
    {S("\x80\2}"), "ends too early"},
    {S("\x80\2}.}"), "left over"},
    {S("\x80\2}}."), "left over"},
    {S("\x80\2(}."), "left over"},
    {S("\x80\2."), "operand"},
    {S("\x80\2(."), "operand"},
    {S("\x80\2\x87."), "operand"},
    {S("\x80\2(NN\x87."), "operand"},
    {S("\x80\2t."), "mark"},
    {S("\x80\2Nu."), "mark"},
    {S("\x80\2(NNu."), "operand"},
    {S("\x80\2}(Nu."), "key without"},
    {S("\x80\2]NNs."), "wrong kind"},
    {S("\x80\2}Na."), "wrong kind"},
    {S("\x80\2]}b."), "wrong kind"},
    {S("\x80\2NNR."), "no function"},
    {S("\x80\2ctorch\nFloatStorage\n)R."), "no function"},
    {S("\x80\2ccollections\nOrderedDict\nK\1\x85R."), "dictionary"},
    {S("\x80\2ctorch._utils\n_rebuild_parameter\n)R."), "parameter"},
    {S("\x80\2ctorch._utils\n_rebuild_tensor_v2\n)R."), "storage"},
    {S("\x80\2h\0."), "memo"},
    {S("\x80\2}r\xff\xff\xff\x7f."), "memo"},
    {S("\x80\2q\0."), "operand"},
    {S("\x80\2X\xff\xff\xff\xff"
       "a."),
     "ends too early"},
    {S("\x80\2\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
       "a."),
     "ends too early"},
    {S("\x80\2X\3\0\0\0a\0b."), "zero byte"},
    {S("\x80\2NQ."), "not to a storage"},
    {S("\x80\2(X\6\0\0\0modulectorch\nFloatStorage\nX\1\0\0\0"
       "0X\3\0\0\0cpuK\4tQ."),
     "not to a storage"},
    {S("\x80\2(X\7\0\0\0storageccollections\nOrderedDict\nX\1\0\0\0"
       "0X\3\0\0\0cpuK\4tQ."),
     "without a type"},
    {S("\x80\2(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
       "0X\3\0\0\0cpuJ\xff\xff\xff\xfftQ."),
     "negative"},
    {S(TENSOR("K\0", "K\5\x85", "K\1\x85")), "beyond its storage"},
    {S(TENSOR("K\1", "K\4\x85", "K\1\x85")), "beyond its storage"},
    {S(TENSOR("K\4", ")", ")")), "beyond its storage"},
    {S(TENSOR("K\0", "K\2K\2\x86", "K\4K\1\x86")), "beyond its storage"},
    {S(TENSOR("J\xff\xff\xff\xff", "K\4\x85", "K\1\x85")), "without a storage"},
    {S(TENSOR("K\0", "J\xff\xff\xff\xff\x85", "K\1\x85")), "shape"},
    {S(TENSOR("K\0", "K\2\x85", "J\xff\xff\xff\xff\x85")), "shape"},
    {S(TENSOR("K\0", "K\2\x85", ")")), "shape"},
    {S(TENSOR("K\0", "K\2", "K\2")), "shape"},
    {S(TENSOR("K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t")), "shape"},
    {S(TENSOR("K\0", "J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87", "K\0K\0K\0\x87")),
     "overflows"},
    {S(TENSOR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
              "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x0f\x85",
              "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85")),
     "overflows"},
};

static void refuses_hostile_pickles(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pickles) / sizeof(pickles[0]); i++) {
        unsigned char *p = malloc(pickles[i].n + 1);
        struct pickle out;
        assert_non_null(p);
        memcpy(p, pickles[i].pickle, pickles[i].n);
        p = realloc(p, pickles[i].n ? pickles[i].n : 1);
        int e = pickle_read(p, pickles[i].n, &out);
        if (!e != !pickles[i].why)
            fail_msg("case %zu: %s", i, e ? fail_text() : "accepted");
        if (e && !strstr(fail_text(), pickles[i].why))
            fail_msg("case %zu: \"%s\" does not mention \"%s\"", i, fail_text(), pickles[i].why);
        pickle_free(&out);
        free(p);
    }
}

// A zip file made by hand.
struct maker {
    unsigned char p[1 << 16];
    size_t n;
    unsigned char central[1 << 12];
    size_t central_n;
    unsigned entries;
    unsigned flags, method;
};

static size_t put(unsigned char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (unsigned char)(v >> 8 * i);
    return (size_t)bytes;
}

static void add(struct maker *z, const char *name, const void *data, size_t n)
{
    size_t at = z->n, length = strlen(name);
    uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), data, (uInt)n);
    unsigned char *c = z->central + z->central_n;
    memset(c, 0, 46);
    put(c, 0x02014b50, 4);
    put(c + 8, z->flags, 2);
    put(c + 10, z->method, 2);
    put(c + 16, crc, 4);
    put(c + 20, n, 4);
    put(c + 24, n, 4);
    put(c + 28, length, 2);
    put(c + 42, at, 4);
    memcpy(c + 46, name, length);
    z->central_n += 46 + length;
    unsigned char *l = z->p + at;
    memset(l, 0, 30);
    put(l, 0x04034b50, 4);
    put(l + 26, length, 2);
    memcpy(l + 30, name, length);
    memcpy(l + 30 + length, data, n);
    z->n += 30 + length + n;
    z->entries++;
}

static void finish(struct maker *z)
{
    size_t at = z->n;
    memcpy(z->p + at, z->central, z->central_n);
    unsigned char *e = z->p + at + z->central_n;
    memset(e, 0, 22);
    put(e, 0x06054b50, 4);
    put(e + 8, z->entries, 2);
    put(e + 10, z->entries, 2);
    put(e + 12, z->central_n, 4);
    put(e + 16, at, 4);
    z->n = at + z->central_n + 22;
}

static const char state_dict[] =
    "\x80\2}X\1\0\0\0w"
    "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "K\0K\2K\2\x86K\2K\1\x86\x89"
    "ccollections\nOrderedDict\n)RtRs.";

static void expect(struct maker *z, const char *why)
{
    struct torch_file f;
    unsigned char *p = malloc(z->n);
    assert_non_null(p);
    memcpy(p, z->p, z->n);
    int e = torch_open(p, z->n, &f);
    if (!e != !why || (e && !strstr(fail_text(), why)))
        fail_msg("%s, want %s", e ? fail_text() : "accepted", why ? why : "success");
    torch_close(&f);
    free(p);
    memset(z, 0, sizeof(*z));
}

static void refuses_hostile_zips(void **state)
{
    (void)state;
    static struct maker z;
    float w[4] = {1, 2, 3, 4};
    const size_t pickle = sizeof(state_dict) - 1;
    add(&z, "a/data.pkl", state_dict, pickle);
    add(&z, "a/data/0", w, sizeof(w));
    finish(&z);
    expect(&z, NULL);

    add(&z, "a/data.pkl", state_dict, pickle);
    finish(&z);
    expect(&z, "data of tensor 'w' is missing");

    add(&z, "a/data.pkl", state_dict, pickle);
    add(&z, "a/data/0", w, sizeof(w) - 1);
    finish(&z);
    expect(&z, "15 bytes, not 4 elements of 4");

    add(&z, "a/data.pkl", state_dict, pickle);
    add(&z, "a/data/0", w, sizeof(w));
    add(&z, "a/data/0", w, sizeof(w));
    finish(&z);
    expect(&z, "two entries have one name");

    add(&z, "a/data.pkl", state_dict, pickle);
    add(&z, "b/data.pkl", state_dict, pickle);
    finish(&z);
    expect(&z, "two data.pkl");

    add(&z, "word/document.xml", "x", 1);
    finish(&z);
    expect(&z, "not one of torch.save");

    add(&z, "a/data.pkl", state_dict, pickle);
    add(&z, "a/data/0", w, sizeof(w));
    add(&z, "a/byteorder", "big", 3);
    finish(&z);
    expect(&z, "byte order");

    z.method = 8;
    add(&z, "a/data.pkl", state_dict, pickle);
    finish(&z);
    expect(&z, "compressed");

    add(&z, "a/data.pkl", state_dict, pickle);
    z.method = 8;
    add(&z, "a/data/0", w, sizeof(w));
    finish(&z);
    expect(&z, "'a/data/0' is compressed");

    z.flags = 1;
    add(&z, "a/data.pkl", state_dict, pickle);
    finish(&z);
    expect(&z, "encrypted");

    add(&z, "a/data.pkl", "\x80\2}.", 4);
    finish(&z);
    expect(&z, "holds no tensors");

    add(&z, "a/data.pkl", state_dict, pickle);  // the second entry claims the place of the first
    size_t second = z.central_n;
    add(&z, "a/data/0", w, sizeof(w));
    put(z.central + second + 42, 5, 4);
    finish(&z);
    expect(&z, "not where it should be");

    add(&z, "a/data.pkl", state_dict, pickle);  // both entries reach to the end
    add(&z, "a/data/0", w, sizeof(w));
    put(z.central + 20, z.n - 40, 4);
    put(z.central + 24, z.n - 40, 4);
    finish(&z);
    expect(&z, "overlap");

    add(&z, "a/data.pkl", state_dict, pickle);
    put(z.central + 20, 0x7fffffff, 4);
    put(z.central + 24, 0x7fffffff, 4);
    finish(&z);
    expect(&z, "beyond the end");

    add(&z, "a/data.pkl", state_dict, pickle);
    put(z.central + 24, UINT32_MAX, 4);
    finish(&z);
    expect(&z, "two sizes");

    add(&z, "a/data.pkl", state_dict, pickle);
    z.central[46] = 'b';
    finish(&z);
    expect(&z, "two names");

    add(&z, "a/data.pkl", state_dict, pickle);
    finish(&z);
    put(z.p + z.n - 22 + 10, 2, 2);
    put(z.p + z.n - 22 + 8, 2, 2);
    expect(&z, "table of contents");

    add(&z, "a/data.pkl", state_dict, pickle);
    finish(&z);
    z.n++;  // a byte after the end
    expect(&z, "end is missing");

    finish(&z);
    expect(&z, "it is empty");
}

// Few bytes that would unfold to very many tensors, and a list that holds itself.
static void refuses_what_unfolds_without_end(void **state)
{
    (void)state;
    static struct maker z;
    unsigned char p[512];
    size_t n = 0;
    n += put(p + n, 0x0280, 2);
    p[n++] = ']';
    p[n++] = 'q';
    p[n++] = 0;
    for (int i = 1; i < 24; i++) {  // [[a, a], [a, a]], ..: 2^24 leaves
        static const unsigned char twice[] = {']', 'h', 0, 'a', 'h', 0, 'a', 'q', 0};
        memcpy(p + n, twice, sizeof(twice));
        p[n + 2] = p[n + 5] = (unsigned char)(i - 1);
        p[n + 8] = (unsigned char)i;
        n += sizeof(twice);
    }
    // Each list but the last stays under its successor on the stack: take them away.
    unsigned char last = 23;
    for (int i = 0; i < 24; i++)
        p[n++] = '0';
    p[n++] = 'h';
    p[n++] = last;
    p[n++] = '.';
    add(&z, "a/data.pkl", p, n);
    finish(&z);
    expect(&z, "nested too deeply or hold too much");
    add(&z, "a/data.pkl", "\x80\2]q\0h\0a.", 9);
    finish(&z);
    expect(&z, "nested too deeply");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_hostile_pickles),
        cmocka_unit_test(refuses_hostile_zips),
        cmocka_unit_test(refuses_what_unfolds_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
