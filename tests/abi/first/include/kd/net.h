/* SPDX-License-Identifier: MIT */
/**
 * @file net.h
 * Tier 2: networks. Create, add layers, initialise; then train it, make it a teacher, or run it
 * (train.h).
 *
 * A net is a chain of nodes, counted from 0, each with a name as in a PyTorch nn.Sequential: a
 * dense node 2 has the parameters `layers.2.weight` [out,in] and `layers.2.bias` [out]. It has two
 * states: while it is built, nodes can be added; from kd_net_init on its shape is fixed, and its
 * parameters exist.
 *
 * A net holds weights and nothing else. Whether dropout is on is decided by the call that runs it
 * (infer or forward), so there is no mode that could be forgotten. Any number of threads may read
 * one net at once; whoever changes its weights (kd_net_init, an optimiser, a distiller, the host
 * through a kd_param) must be alone with it.
 */
#ifndef KD_NET_H
#define KD_NET_H

#include <kd/context.h>

/** A network. Reference-counted: teachers, workspaces, optimisers and distillers keep theirs alive.
 */
typedef struct kd_net kd_net;

/** How weights are drawn; biases are set to 0. fan_in and fan_out are a weight's columns and rows.
 */
typedef int32_t kd_init_kind;
enum {
    KD_INIT_HE = 1, /**< Normal, sd sqrt(2/fan_in). For ReLU nets. He et al. 2015, eq. 10. */
    /** Uniform in +-sqrt(6/(fan_in+fan_out)). Glorot and Bengio 2010, eq. 16. */
    KD_INIT_GLOROT = 2,
    KD_INIT_NORMAL = 3 /**< Normal, sd 0.01, as in the 2012 dropout paper. */
};

/** Sizes of a net. */
typedef struct kd_net_info {
    size_t struct_size;
    size_t inputs;   /**< Width of x. */
    size_t outputs;  /**< Width of the last node: classes. */
    size_t nodes;    /**< Nodes in the chain. */
    size_t params;   /**< Parameter tensors; 0 before kd_net_init. */
    uint64_t values; /**< Floats in all parameters. */
} kd_net_info;

/** Info to be filled. */
#define KD_NET_INFO_INIT                                                                           \
    {                                                                                              \
        sizeof(kd_net_info), 0, 0, 0, 0, 0                                                         \
    }

/** A view of one parameter tensor, or of its gradient. */
typedef struct kd_param {
    size_t struct_size;
    /** [rows,columns], dense. The host may read and write it while nobody else uses the net. */
    float *values;
    size_t rows;    /**< Outputs of a weight; entries of a bias. */
    size_t columns; /**< Inputs of a weight; 1 for a bias. */
    char name[64];  /**< Such as "layers.0.weight". */
} kd_param;

/** A view to be filled. */
#define KD_PARAM_INIT                                                                              \
    {                                                                                              \
        sizeof(kd_param), NULL, 0, 0,                                                              \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

KD_BEGIN

/**
 * Starts an empty net.
 *
 * @param context where its memory comes from.
 * @param inputs width of a case, 1..INT32_MAX.
 * @param out_net the new net, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _MEMORY.
 *
 * Ownership: the caller owns the new reference; the context is retained. Threads: any. Cost: one
 * allocation.
 */
KD_API kd_status kd_net_create(kd_context *context, size_t inputs, kd_net **out_net,
                               kd_error *error);

/**
 * Drops the host's reference.
 *
 * @param net NULL is allowed.
 *
 * Errors: none. Ownership: Taken. Threads: any. Cost: O(nodes).
 */
KD_API void kd_net_destroy(kd_net *net);

/**
 * Adds a dense layer: y = x W^T + b, W [units,in], b [units].
 *
 * @param net a net that is being built.
 * @param units outputs, 1..INT32_MAX.
 * @return KD_ERR_NULL, _STATE (initialised already), _SIZE, _TOO_LARGE, _MEMORY; words in
 * kd_net_error.
 *
 * Threads: one at a time. Cost: one allocation. Source: PyTorch's nn.Linear.
 */
KD_API kd_status kd_net_add_dense(kd_net *net, size_t units);

/**
 * Adds a rectifier: y = max(x, 0); NaN passes on. The shape of the output is that of the input.
 *
 * @param net a net that is being built.
 * @return KD_ERR_NULL, _STATE, _MEMORY; words in kd_net_error.
 *
 * Threads: one at a time. Cost: one allocation. Source: Nair and Hinton 2010.
 */
KD_API kd_status kd_net_add_relu(kd_net *net);

/**
 * Adds dropout: in training each element is 0 with probability `rate`, else divided by the keep
 * rate; at inference it does nothing. The rate is used in steps of 1/65536, and the division is by
 * the true keep rate.
 *
 * @param net a net that is being built.
 * @param rate in [0, 1).
 * @return KD_ERR_NULL, _STATE, _VALUE, _MEMORY; words in kd_net_error.
 *
 * Threads: one at a time. Cost: one allocation. Source: Hinton et al. 2012 (arXiv 1207.0580),
 * inverted form.
 */
KD_API kd_status kd_net_add_dropout(kd_net *net, float rate);

/**
 * Fixes the shape and draws the weights; biases become 0. May be called again, to start anew.
 *
 * Philox4x32-10 with key (seed, parameter) gives every weight. The first four of `layers.0.weight`
 * with seed 1 in a net of 4 inputs and KD_INIT_NORMAL are -0.00517058698, 0.0245361906,
 * 0.0055503794 and -0.00447280798.
 *
 * @param net a net with at least one dense layer.
 * @param kind how to draw.
 * @param seed any.
 * @return KD_ERR_NULL, _KIND, _STATE (no dense layer), _TOO_LARGE, _MEMORY; words in kd_net_error.
 *
 * Threads: alone with the net. Cost: O(values), one allocation the first time.
 */
KD_API kd_status kd_net_init(kd_net *net, kd_init_kind kind, uint64_t seed);

/**
 * A copy with weights of its own.
 *
 * @param net an initialised net.
 * @param out_net the copy, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STATE, _MEMORY.
 *
 * Ownership: the caller owns the copy. Threads: any, while nobody changes `net`. Cost: O(values).
 */
KD_API kd_status kd_net_clone(const kd_net *net, kd_net **out_net, kd_error *error);

/**
 * Sizes of a net.
 *
 * @param net any.
 * @param out_info filled.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _STRUCT.
 *
 * Threads: any. Cost: O(1), allocates nothing.
 */
KD_API kd_status kd_net_get_info(const kd_net *net, kd_net_info *out_info, kd_error *error);

/**
 * View of the parameter with this index, in the order of the nodes, weight before bias.
 *
 * @param net an initialised net.
 * @param index 0..params-1.
 * @param out_param filled: [rows,columns], name.
 * @return KD_ERR_NULL, _STRUCT, _STATE, _INDEX.
 *
 * Ownership: values are Borrowed from the net. Threads: one at a time. Cost: O(1), allocates
 * nothing.
 */
KD_API kd_status kd_net_get_param(kd_net *net, size_t index, kd_param *out_param);

/**
 * View of the parameter with this name.
 *
 * @param net an initialised net.
 * @param name such as "layers.0.weight".
 * @param out_param filled: [rows,columns], name.
 * @return KD_ERR_NULL, _STRUCT, _STATE, _INDEX (no such name).
 *
 * Ownership: values are Borrowed from the net. Threads: one at a time. Cost: O(params), allocates
 * nothing.
 */
KD_API kd_status kd_net_find_param(kd_net *net, const char *name, kd_param *out_param);

/**
 * What the net's last failed call had to say.
 *
 * @param net NULL gives "".
 * @return one sentence, "" if nothing has failed.
 *
 * Errors: none. Ownership: Borrowed until the next call on the net. Threads: one at a time. Cost:
 * O(1).
 */
KD_API const char *kd_net_error(const kd_net *net);

KD_END

#endif
