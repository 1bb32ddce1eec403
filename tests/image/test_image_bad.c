// Files that are cut off, damaged or lie: an error with a text, never a crash and never a large
// allocation. Run it under the sanitizers.
// SPDX-License-Identifier: MIT
#include "image_test.h"

#include <dirent.h>
#include <jpeglib.h>
#include <zlib.h>

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void set_big32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

// Decodes a copy that ends where the memory ends; the code of image_decode().
static int try_decode(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    if (n)
        memcpy(copy, bytes, n);
    kiln_tensor *image;
    char *chain;
    int e = image_decode(copy, n, ALPHA_WHITE, 0, 1 << 20, &image, &chain);
    if (e) {
        assert_true(e < 0);
        assert_null(image);
        assert_null(chain);
        assert_true(fail_text()[0] != 0);
    } else {
        float sum = 0;
        for (int64_t i = 0; i < kiln_numel(image); i++)
            sum += kiln_f32(image)[i];
        assert_true(sum >= 0);  // all were written, and are values of an image
    }
    tensor_unref(image);
    free(chain);
    free(copy);
    return e;
}

static void for_each_golden(void (*f)(const char *name, const uint8_t *bytes, size_t n))
{
    DIR *d = opendir(golden_image("."));
    assert_non_null(d);
    int files = 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (!strstr(e->d_name, ".png") && !is_jpeg_name(e->d_name))
            continue;
        size_t n;
        uint8_t *bytes = slurp_golden(e->d_name, &n);
        f(e->d_name, bytes, n);
        free(bytes);
        files++;
    }
    closedir(d);
    assert_true(files > 60);
}

static void cut(const char *name, const uint8_t *bytes, size_t n)
{
    for (size_t at = 0; at < n; at += at < 64 || n - at < 64 ? 1 : 37)
        if (try_decode(bytes, at) != KILN_ERR_IO)
            fail_msg("%s cut to %zu of %zu bytes was taken", name, at, n);
}

static void cut_anywhere_is_an_error(void **state)
{
    (void)state;
    for_each_golden(cut);
}

static void damage(const char *name, const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n);
    uint32_t random = 1;
    for (int turn = 0; turn < 150; turn++) {
        memcpy(copy, bytes, n);
        int flips = 1 + turn % 4;
        for (int i = 0; i < flips; i++) {
            size_t at = next_random(&random) % n;
            copy[at] = turn % 3 ? (uint8_t)next_random(&random)
                                : (uint8_t)(copy[at] ^ 1u << next_random(&random) % 8);
        }
        int e = try_decode(copy, n);
        if (e && e != KILN_ERR_IO)
            fail_msg("%s: %d %s", name, e, fail_text());
    }
    free(copy);
}

static void damaged_bytes_do_not_crash(void **state)
{
    (void)state;
    for_each_golden(damage);
}

// Damage with checksums that fit gets past libpng's first check.
static void damage_checked(const char *name, const uint8_t *bytes, size_t n)
{
    if (is_jpeg_name(name))
        return;
    uint8_t *copy = malloc(n);
    uint32_t random = 2;
    for (int turn = 0; turn < 150; turn++) {
        memcpy(copy, bytes, n);
        copy[8 + next_random(&random) % (n - 8)] = (uint8_t)next_random(&random);
        for (size_t at = 8; n - at >= 12;) {
            uint32_t length = big32(copy + at);
            if (length > n - at - 12)
                break;
            set_big32(copy + at + 8 + length, (uint32_t)crc32(0, copy + at + 4, length + 4));
            at += (size_t)length + 12;
        }
        int e = try_decode(copy, n);
        if (e && e != KILN_ERR_IO)
            fail_msg("%s: %d %s", name, e, fail_text());
    }
    free(copy);
}

static void damage_with_right_checksums_does_not_crash(void **state)
{
    (void)state;
    for_each_golden(damage_checked);
}

static void wrong_checksum_of_a_critical_chunk_is_an_error(void **state)
{
    (void)state;
    const char *files[] = {"palette4.png", "rgb8-i.png", "text.png"};
    for (int i = 0; i < 3; i++) {
        size_t n;
        uint8_t *bytes = slurp_golden(files[i], &n);
        int critical = 0;
        for (size_t at = 8; at < n;) {
            uint32_t length = big32(bytes + at);
            int is_critical = !(bytes[at + 4] & 0x20);
            uint8_t *crc = bytes + at + 8 + length;
            crc[3] ^= 1;
            int e = try_decode(bytes, n);
            assert_int_equal(e, is_critical ? KILN_ERR_IO : KILN_OK);
            critical += is_critical;
            crc[3] ^= 1;
            at += (size_t)length + 12;
        }
        assert_true(critical >= 3);
        free(bytes);
    }
}

static void text_with_a_wrong_checksum_is_ignored(void **state)
{
    (void)state;
    size_t n;
    uint8_t *bytes = slurp_golden("text.png", &n);
    uint8_t *chunk = bytes;
    while (memcmp(chunk, "iTXt", 4) != 0)
        chunk++;
    chunk[12] ^= 1;
    char *chain;
    assert_int_equal(image_chain(bytes, n, &chain), KILN_OK);
    assert_null(chain);
    assert_int_equal(try_decode(bytes, n), KILN_OK);
    free(bytes);
}

// An EXIF block that breaks a rule leaves the image as it is stored.
static void senseless_orientation_is_ignored(void **state)
{
    (void)state;
    const struct {
        size_t at;
        uint8_t value;
    } patches[] = {
        {0, 'I'}, {3, 43}, {4, 0xff}, {7, 7},  {7, 0xff}, {8, 0xff} /* harmless */, {9, 0}, {10, 2},
        {13, 4},  {17, 2}, {18, 1},   {19, 0}, {19, 9},
    };
    size_t n;
    uint8_t *bytes = slurp_golden("turned-big-endian.jpg", &n);
    uint8_t *tiff = bytes;
    while (memcmp(tiff, "MM\0*", 4) != 0)
        tiff++;
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        uint8_t old = tiff[patches[i].at];
        tiff[patches[i].at] = patches[i].value;
        kiln_tensor *image;
        assert_int_equal(image_decode(bytes, n, ALPHA_WHITE, 0, 0, &image, NULL), 0);
        int turned = image->shape[2] == 24;
        if (turned != (patches[i].at == 8))
            fail_msg("byte %zu = %d", patches[i].at, patches[i].value);
        tensor_unref(image);
        tiff[patches[i].at] = old;
    }
    free(bytes);
}

// A PNG with that header and one chunk of pixels.
static size_t make_png(uint8_t *out, uint32_t w, uint32_t h, const uint8_t *data, uint32_t length)
{
    memcpy(out, "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", 16);
    set_big32(out + 16, w);
    set_big32(out + 20, h);
    memcpy(out + 24, "\x08\x06\0\0\0", 5);
    set_big32(out + 29, (uint32_t)crc32(0, out + 12, 17));
    set_big32(out + 33, length);
    memcpy(out + 37, "IDAT", 4);
    memcpy(out + 41, data, length);
    set_big32(out + 41 + length, (uint32_t)crc32(0, out + 37, length + 4));
    memcpy(out + 45 + length, "\0\0\0\0IEND\xae\x42\x60\x82", 12);
    return 57 + (size_t)length;
}

static void refused(const uint8_t *bytes, size_t n, int64_t limit, const char *text)
{
    kiln_tensor *image;
    size_t peak = tensor_peak();
    assert_int_equal(image_decode(bytes, n, ALPHA_WHITE, 0, limit, &image, NULL), KILN_ERR_IO);
    assert_null(image);
    if (!strstr(fail_text(), text))
        fail_msg("\"%s\" does not say \"%s\"", fail_text(), text);
    assert_true(tensor_peak() == peak);
}

static void absurd_sizes_are_refused_before_memory_is_taken(void **state)
{
    (void)state;
    uint8_t png[200], pixels[32] = {0};
    size_t n = make_png(png, 0x7fffffff, 0x7fffffff, pixels, 32);
    refused(png, n, IMAGE_MAX_PIXELS, "2147483647x2147483647 pixels are more than the limit");
    refused(png, n, 0, "truncated");
    n = make_png(png, 30000, 30000, pixels, 32);
    refused(png, n, IMAGE_MAX_PIXELS, "limit of 268435456");
    n = make_png(png, 16000, 16000, pixels, 32);  // within the limit, but 32 bytes cannot hold it
    refused(png, n, IMAGE_MAX_PIXELS, "truncated: 89 bytes for 16000x16000 pixels");
    n = make_png(png, 0, 5, pixels, 32);
    refused(png, n, IMAGE_MAX_PIXELS, "bad PNG");
    n = make_png(png, 0x80000000u, 5, pixels, 32);
    refused(png, n, IMAGE_MAX_PIXELS, "bad PNG");

    uint8_t *jpeg = slurp_golden("420.jpg", &n);
    uint8_t *frame = jpeg;
    while (frame[0] != 0xff || frame[1] != 0xc0)
        frame++;
    memcpy(frame + 5, "\xff\xdc\xff\xdc", 4);  // height and width: 65500
    refused(jpeg, n, IMAGE_MAX_PIXELS, "65500x65500 pixels are more than the limit");
    memset(frame + 5, 0, 4);
    refused(jpeg, n, IMAGE_MAX_PIXELS, "");
    free(jpeg);
}

static void other_files_are_named(void **state)
{
    (void)state;
    const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } files[] = {
        {"", 0, "an empty file"},
        {"GIF89a\1\0\1\0", 10, "a GIF; only PNG and JPEG are read"},
        {"RIFF\0\0\0\0WEBPVP8 ", 16, "a WebP image"},
        {"II*\0\0\0\0\0", 8, "a TIFF"},
        {"\0\0\0\x1c"
         "ftypavif\0\0",
         14, "an AVIF image"},
        {"P6\n1 1\n255\n...", 14, "a PNM image"},
        {"#!/bin/sh\n", 10, "neither PNG nor JPEG"},
        {"\xff\xd8\xff", 3, "the JPEG is truncated"},
        {"\x89PNG\r\n\x1a\n", 8, "the PNG is truncated"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        refused((const uint8_t *)files[i].bytes, files[i].n, IMAGE_MAX_PIXELS, files[i].text);
}

// text.png with an iTXt chunk "kiln", compressed, that unpacks to size zeros or letters.
static void text_bomb(int letter, size_t size, int is_read)
{
    uint8_t *plain = malloc(size), out[200];
    memset(plain, letter, size);
    uLongf packed = compressBound(size);
    uint8_t *data = malloc(packed);
    compress2(data, &packed, plain, size, 9);
    uint8_t pixel[64];
    uLongf length = sizeof(pixel);
    compress(pixel, &length, (const uint8_t *)"\0\x10\x20\x30\xff", 5);
    size_t n = make_png(out, 1, 1, pixel, (uint32_t)length);
    uint8_t *file = malloc(n + packed + 100);
    memcpy(file, out, n - 12);  // all but the end
    uint8_t *chunk = file + n - 12;
    uint32_t l = (uint32_t)(9 + packed);
    set_big32(chunk, l);
    memcpy(chunk + 4, "iTXtkiln\0\1\0\0\0", 13);
    memcpy(chunk + 17, data, packed);
    set_big32(chunk + 8 + l, (uint32_t)crc32(0, chunk + 4, l + 4));
    memcpy(chunk + 12 + l, out + n - 12, 12);
    kiln_tensor *image;
    char *chain;
    assert_int_equal(
        image_decode(file, n + l + 12, ALPHA_WHITE, 0, IMAGE_MAX_PIXELS, &image, &chain), 0);
    if (is_read) {
        assert_non_null(chain);
        assert_true(strlen(chain) == size);
    } else {
        assert_null(chain);
    }
    free(chain);
    tensor_unref(image);
    free(file);
    free(data);
    free(plain);
}

static void text_is_bounded(void **state)
{
    (void)state;
    text_bomb('x', 100000, 1);
    text_bomb('x', (size_t)16 << 20, 1);
    text_bomb('x', ((size_t)16 << 20) + 1, 0);
    text_bomb('x', (size_t)100 << 20, 0);
}

// A gray progressive JPEG of two scans, the second of which may be repeated without breaking a
// rule.
static unsigned char *two_scans(unsigned long *n)
{
    static const jpeg_scan_info script[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL, row[16];
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, n);
    jpeg.image_width = jpeg.image_height = 16;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg.scan_info = script;
    jpeg.num_scans = 2;
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < 16; y++) {
        JSAMPROW rows[1] = {row};
        for (int x = 0; x < 16; x++)
            row[x] = (unsigned char)(x * y);
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return bytes;
}

static void scans_are_bounded(void **state)
{
    (void)state;
    unsigned long n;
    unsigned char *jpeg = two_scans(&n);
    size_t scan = 0, end = n - 2;  // the last scan
    for (size_t i = 2; i + 1 < n; i++)
        if (jpeg[i] == 0xff && jpeg[i + 1] == 0xda)
            scan = i;
    size_t one = end - scan;
    uint8_t *many = malloc(n + 600 * one);
    memcpy(many, jpeg, end);
    size_t at = end;
    for (int scans = 3; scans <= 600; scans++) {
        memcpy(many + at, jpeg + scan, one);
        at += one;
        memcpy(many + at, "\xff\xd9", 2);
        if (scans == 100)
            assert_int_equal(try_decode(many, at + 2), KILN_OK);
    }
    assert_int_equal(try_decode(many, at + 2), KILN_ERR_IO);
    assert_string_equal(fail_text(), "bad JPEG: more than 500 scans");
    free(many);
    free(jpeg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere_is_an_error),
        cmocka_unit_test(damaged_bytes_do_not_crash),
        cmocka_unit_test(damage_with_right_checksums_does_not_crash),
        cmocka_unit_test(wrong_checksum_of_a_critical_chunk_is_an_error),
        cmocka_unit_test(text_with_a_wrong_checksum_is_ignored),
        cmocka_unit_test(senseless_orientation_is_ignored),
        cmocka_unit_test(absurd_sizes_are_refused_before_memory_is_taken),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(text_is_bounded),
        cmocka_unit_test(scans_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
