// The UNets of DeepFloyd IF by their tensors: the five published structures, and small ones of the
// same build for tests. SPDX-License-Identifier: MIT
#ifndef TESTS_IF_NETS_H
#define TESTS_IF_NETS_H

#include <stdint.h>
#include <stdio.h>

struct if_net {
    const char *name;
    int second;       // stage II: class embedding, one GELU for all resnets, scaled residuals
    int sample_size;  // of the config
    int width[6];     // by block, up to a 0
    int layers[6];
    int attended;    // so many of the last blocks have attention
    int head;        // width of an attention head
    int text;        // width of an embedding
    int pool_heads;  // of the attention that pools the embedding
    int cross;       // width of the text in the blocks' attention
    int time;        // width of the time embedding
};

struct if_tensor {
    char name[80];
    int64_t shape[4];
    int rank;
    // Values: uniform, of this mean and largest distance from it.
    double mean, spread;
};

struct if_tensors {
    struct if_tensor *tensor;
    int n;
};

const struct if_net *if_net_find(const char *name);  // NULL: none of that name
int if_net_blocks(const struct if_net *net);
// In the order of the forward pass. Values keep activations near 1: so that a change of any of them
// shows in the result, and none runs away. tensor is malloc'd.
struct if_tensors if_net_tensors(const struct if_net *net);
int64_t if_tensor_numel(const struct if_tensor *t);
// config.json as diffusers 0.42 writes it.
void if_net_config(const struct if_net *net, FILE *out);
// scheduler_config.json: of the sampler, or of the noise on stage II's small image.
void if_net_scheduler(const struct if_net *net, int noising, FILE *out);

#endif
