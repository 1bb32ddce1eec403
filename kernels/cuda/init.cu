// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/services.h"

namespace
{

struct tables {
    kiln_ops ops[KERNELS_FP16 + 1] = {};
    tables()
    {
        for (int p = 0; p <= KERNELS_FP16; p++) {
            ops[p].size = sizeof(kiln_ops);
            cuda_layout(&ops[p]);
            cuda_elementwise(&ops[p]);
            cuda_norm(&ops[p]);
            cuda_group_norm(&ops[p]);
            cuda_batch_norm(&ops[p]);
            cuda_matrix(&ops[p], p);
            cuda_matrix_grad(&ops[p], p);
            cuda_attention(&ops[p]);
            cuda_image(&ops[p]);
            cuda_resize(&ops[p]);
            cuda_train(&ops[p]);
        }
    }
};

}  // namespace

const kiln_ops *cuda_ops(int precision)
{
    static const tables all;
    return precision < 0 || precision > KERNELS_FP16 ? nullptr : &all.ops[precision];
}
