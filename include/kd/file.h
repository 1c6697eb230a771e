/* SPDX-License-Identifier: MIT */
/**
 * @file file.h
 * Tier 3: nets, whole trainings and matrices as files.
 *
 * Nets and trainings are safetensors files: `safetensors.torch.load_file` opens them as they are,
 * and so does numpy. A net's parameters stand in them under their names, `layers.0.weight`
 * [out,in] and so on, as float32; a training adds the optimiser's `momentum.layers.0.weight`, or
 * `moment1.` and `moment2.`, and `gradient.` of micro-batches that wait for their update. What no
 * tensor can say stands in the metadata, under keys that begin with "kd.": the layers, the options
 * of optimiser and distiller as hexadecimal floats, how far the training is, and checksums
 * (CRC-32C) of the header and of each tensor.
 *
 * Two ways in. kd_load_... takes files of libkd's own and demands all of this: a file of which one
 * bit has changed is refused. kd_import_weights takes anybody's safetensors file, such as a PyTorch
 * state dict, into a net that has the shape already.
 *
 * Every file is taken to be hostile until it has been checked: what it declares is held against its
 * size before memory is taken, no number in it is used as an address or a path, and values that
 * would break a promise of the library (NaN, a momentum that would overflow) are refused. Reading
 * takes at most twice the memory of the file, and 1 MiB. A call that fails changes nothing: not the
 * file that was there, not the objects that were given.
 *
 * All of these calls can also fail with KD_ERR_NO_FILE (nothing has that path), _IO (the system or
 * the callback; the words have its number), _MEMORY, _UNSUPPORTED (a machine that keeps the highest
 * byte first), and when reading with KD_ERR_FORMAT (not such a file), _TRUNCATED, _CHECKSUM,
 * _VERSION (written by a later libkd, or with another mapping of random numbers), _TOO_LARGE; and
 * with KD_CANCELLED.
 */
#ifndef KD_FILE_H
#define KD_FILE_H

#include <kd/distill.h>
#include <kd/stream.h>
#include <kd/train.h>

/**
 * A training to save or to go on with. Either a distiller, or, for a host's own loop, an optimiser
 * and the workspace of the same net; the others are NULL.
 *
 * The four numbers are the host's own: stored, handed back, never looked at. To go on with the same
 * bits a host needs to know where it stands in its data, and that its own settings are the same.
 */
typedef struct kd_training {
    size_t struct_size;
    kd_distiller *distiller; /**< With its student, optimiser, schedules and random position. */
    kd_optimizer *optimizer; /**< With its net; or NULL. */
    kd_workspace *workspace; /**< With seed and random position of dropout; or NULL. */
    uint64_t epoch;          /**< Such as the epoch that comes next. */
    uint64_t position;       /**< Such as the cases of it that are done. */
    uint64_t seed;           /**< Such as that of kd_shuffle. */
    uint64_t tag;            /**< Such as kd_hash of the host's settings. */
} kd_training;

/** A training to fill in. */
#define KD_TRAINING_INIT                                                                           \
    {                                                                                              \
        sizeof(kd_training), NULL, NULL, NULL, 0, 0, 0, 0                                          \
    }

/** Shape of a .npy file. */
typedef struct kd_npy_info {
    size_t struct_size;
    size_t rows;
    size_t columns; /**< 1 for a vector. */
    int32_t rank;   /**< 1 or 2. */
    int32_t bits;   /**< Of an element in the file: 16, 32 or 64. */
} kd_npy_info;

/** Info to be filled. */
#define KD_NPY_INFO_INIT                                                                           \
    {                                                                                              \
        sizeof(kd_npy_info), 0, 0, 0, 0                                                            \
    }

KD_BEGIN

/**
 * Saves a net: layers and weights, from which kd_load_net makes it again.
 *
 * @param net an initialised net with finite weights.
 * @param path the file, which is replaced in one step; or NULL.
 * @param writer takes the bytes instead; or NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL (net; or neither path nor writer), _VALUE (both), _STRUCT, _STATE,
 * _NOT_FINITE; and as at the head of this file.
 *
 * Ownership: Borrowed for the call. Threads: any, while nobody changes `net`. Cost: the weights are
 * read three times and written once. Source: safetensors 0.4's format.
 */
KD_API kd_status kd_save_net(const kd_net *net, const char *path, const kd_writer *writer,
                             kd_error *error);

/**
 * Makes a net from a file of kd_save_net, or from the student in one of kd_save_training, of which
 * it then checks the rest too.
 *
 * @param context where its memory comes from.
 * @param path the file; or NULL.
 * @param reader gives the bytes instead; or NULL.
 * @param out_net the new net, NULL on failure.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _VALUE (path and reader), _STRUCT, _MISMATCH (tensors do not have the shapes
 * of the layers), _NOT_FINITE; and as at the head of this file.
 *
 * Ownership: the caller owns the net; the context is retained. Threads: any. Cost: one pass over
 * the file.
 */
KD_API kd_status kd_load_net(kd_context *context, const char *path, const kd_reader *reader,
                             kd_net **out_net, kd_error *error);

/**
 * Writes the weights alone, for other programs: `<prefix>0.weight`, `<prefix>0.bias`, ...
 *
 * @param net an initialised net with finite weights.
 * @param prefix what stands before the number of a layer; NULL = "layers.", "" for a bare
 *        nn.Sequential, "student.net." for one that is called net in a module called student.
 * @param path the file, which is replaced in one step; or NULL.
 * @param writer takes the bytes instead; or NULL.
 * @param error words for a failure, or NULL.
 * @return as kd_save_net; KD_ERR_SIZE (a prefix of more than 200 bytes), KD_ERR_VALUE (one that is
 * no UTF-8).
 *
 * Ownership: Borrowed for the call. Threads: any, while nobody changes `net`. Cost: as kd_save_net.
 */
KD_API kd_status kd_export_weights(const kd_net *net, const char *prefix, const char *path,
                                   const kd_writer *writer, kd_error *error);

/**
 * Fills a net with the weights of any safetensors file, such as a PyTorch state dict.
 *
 * Each parameter `layers.N.weight` of the net is taken from `<prefix>N.weight`, which must have its
 * shape, and elements of float32, float16 or bfloat16. Tensors of other names are left alone, but
 * not those that begin as a parameter does, `<prefix>N.`, and are none of the net: then the net is
 * not the one that was trained.
 *
 * @param net an initialised net; weights are as before after a failure.
 * @param prefix as for kd_export_weights.
 * @param path the file; or NULL.
 * @param reader gives the bytes instead; or NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _VALUE (path and reader), _STRUCT, _STATE, _SIZE, _MISMATCH (a tensor is not
 * there, or has another shape or type), _NOT_FINITE; and as at the head of this file.
 *
 * Ownership: Borrowed for the call. Threads: alone with the net. Cost: one pass over the tensors,
 * and memory for a second set of weights meanwhile.
 */
KD_API kd_status kd_import_weights(kd_net *net, const char *prefix, const char *path,
                                   const kd_reader *reader, kd_error *error);

/**
 * Saves a training as it stands between two steps. Micro-batches of a distiller that wait for their
 * update are saved too; a host's own loop saves behind kd_optimizer_step, as gradients that it adds
 * up are not in the file.
 *
 * @param training what to save.
 * @param path the file, which is replaced in one step; or NULL.
 * @param writer takes the bytes instead; or NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _VALUE (path and writer; a distiller and an optimiser), _STRUCT, _STATE
 * (optimiser and workspace of two nets), _BUSY, _NOT_FINITE; and as at the head of this file.
 *
 * Ownership: Borrowed for the call. Threads: as for a step. Cost: weights and optimiser state are
 * read three times and written once.
 */
KD_API kd_status kd_save_training(const kd_training *training, const char *path,
                                  const kd_writer *writer, kd_error *error);

/**
 * Goes on with a training: fills objects that were made anew, with the same layers and the same
 * options, so that the next steps have the bits that they would have had without the interruption.
 *
 * Another number of threads makes no difference. What would: another student, optimiser, schedule,
 * temperature, weight or seed of dropout, which is KD_ERR_MISMATCH and names the option; another
 * teacher or other data, which the host vouches for (`tag`, `seed`); and another build, kind of
 * processor or BLAS, for which nobody looks. To go on with other options take the weights alone:
 * kd_load_net. Of what the objects did before, nothing is left: a gradient in the workspace is
 * forgotten.
 *
 * @param training the objects; its four numbers are filled.
 * @param path the file; or NULL.
 * @param reader gives the bytes instead; or NULL.
 * @param error words for a failure, or NULL.
 * @return as kd_save_training; KD_ERR_MISMATCH, and KD_ERR_VERSION for a file whose random numbers
 * came from another mapping.
 *
 * Ownership: Borrowed for the call. Threads: as for a step. Cost: one pass over the file, and
 * memory for a second set of its tensors meanwhile.
 */
KD_API kd_status kd_load_training(kd_training *training, const char *path, const kd_reader *reader,
                                  kd_error *error);

/**
 * Saves a matrix of floats as numpy does: `numpy.load` opens it.
 *
 * @param values [rows,columns]; NaN and infinities are kept.
 * @param rows, columns 1..INT32_MAX.
 * @param stride floats from row to row; 0 = columns.
 * @param path the file, which is replaced in one step; or NULL.
 * @param writer takes the bytes instead; or NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _SIZE, _TOO_LARGE, _VALUE (path and writer), _STRUCT; and as at the head of
 * this file.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: the matrix is written once. Source: numpy's
 * NEP 1, version 1.0.
 */
KD_API kd_status kd_save_npy(const float *values, size_t rows, size_t columns, size_t stride,
                             const char *path, const kd_writer *writer, kd_error *error);

/**
 * Loads a matrix or a vector of floats from a .npy file, such as logits from Python.
 *
 * @param path the file; or NULL.
 * @param reader gives the bytes instead; or NULL.
 * @param out_values [rows,columns], filled; NULL = only look at the shape.
 * @param floats how many fit there.
 * @param out_info the shape, filled; or NULL.
 * @param error words for a failure, or NULL.
 * @return KD_ERR_NULL, _VALUE (path and reader), _STRUCT, _SIZE (more floats than fit),
 * _UNSUPPORTED (elements that are no floats of 16, 32 or 64 bits in this machine's order; more than
 * two dimensions; columns first), _NOT_FINITE (a double too large for a float); and as at the head
 * of this file. out_values is then unspecified.
 *
 * Ownership: Borrowed for the call. Threads: any. Cost: one pass over the file; memory for its
 * header only, at most 10,000 bytes.
 */
KD_API kd_status kd_load_npy(const char *path, const kd_reader *reader, float *out_values,
                             size_t floats, kd_npy_info *out_info, kd_error *error);

KD_END

#endif
