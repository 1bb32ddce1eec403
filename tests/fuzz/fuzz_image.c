// Reads an image file of any bytes. By itself a libFuzzer target:
//   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isdk/include \
//       tests/fuzz/fuzz_image.c host/image_*.c host/tensor.c host/heap.c host/twin*.c host/pool.c
//       host/util.c host/error.c -lpng -ljpeg -lz -lm -lpthread
//   ./a.out -max_len=65536 -rss_limit_mb=1024 CORPUS tests/golden/images
// With -DSTANDALONE a program that reads the files it is given, for another fuzzer or a debugger.
// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "../../host/error.h"
#include "../../host/image_file.h"
#include "../../host/tensor.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    kiln_tensor *image;
    char *chain;
    int e = image_decode(bytes, n, n % 3, 0, 1 << 18, &image, &chain);
    if (e ? e > 0 || image || chain || !*fail_text() : !image)
        abort();
    if (image)
        for (int64_t i = 0; i < kiln_numel(image); i++)
            if (!(kiln_f32(image)[i] >= 0 && kiln_f32(image)[i] <= 1))
                abort();
    tensor_unref(image);
    free(chain);
    return 0;
}

#ifdef STANDALONE
int main(int argc, char **argv)
{
    static uint8_t bytes[1 << 24];
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f)
            return 1;
        size_t n = fread(bytes, 1, sizeof(bytes), f);
        fclose(f);
        LLVMFuzzerTestOneInput(bytes, n);
    }
    return 0;
}
#endif
