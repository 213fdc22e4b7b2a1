/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_MODELS_TRAIN_TAPE_H
#define TB_MODELS_TRAIN_TAPE_H

#include "models/train/real.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reverse-mode differentiation over whole clips. A forward pass calls the operations of ops.h, each
 * of which computes its result at once and notes on the tape how to go back; tb_tape_backward walks
 * the notes from last to first. Nothing is recorded twice and no graph is built.
 *
 * One tape belongs to one thread. All memory of a pass comes from the tape's arena and is gone at
 * tb_tape_reset. Running out of memory is sticky: operations return empty tensors, and
 * tb_tape_failed tells. */

/* A matrix, row-major. Sequences are [clips * frames][channels], clip after clip. */
struct tb_tensor {
    tb_real *value; /* [rows][cols] */
    tb_real *grad;  /* the same shape, or NULL where no gradient is wanted */
    size_t rows, cols;
};

struct tb_tape;
struct tb_note;

/* Adds this operation's share to the gradients of its inputs. */
typedef void tb_backward(const struct tb_note *note);

enum { TB_NOTE_INPUTS = 6 };

struct tb_note {
    tb_backward *backward;
    struct tb_tensor in[TB_NOTE_INPUTS];
    struct tb_tensor out;
    void *saved; /* what the operation keeps for the way back, in the arena */
};

/* arena_bytes of address space are reserved; memory is taken as it is touched. NULL: no memory. */
struct tb_tape *tb_tape_new(size_t arena_bytes);
void tb_tape_free(struct tb_tape *tape);

/* Forgets the pass; tensors from it are invalid. */
void tb_tape_reset(struct tb_tape *tape);
bool tb_tape_failed(const struct tb_tape *tape);
size_t tb_tape_used(const struct tb_tape *tape);

/* Zeroed memory that lives until the reset; NULL once the arena is exhausted. */
void *tb_tape_alloc(struct tb_tape *tape, size_t bytes);

/* The same, but with whatever was there before. */
void *tb_tape_room(struct tb_tape *tape, size_t bytes);

/* A new tensor of zeros, with a gradient when wanted. */
struct tb_tensor tb_tape_tensor(struct tb_tape *tape, size_t rows, size_t cols, bool with_grad);

/* n zeros outside of any tape, for free(). They begin where a vector may: how the compiler divides
 * a loop, and so the order of a sum, depends on that, and a run shall give the same bits every
 * time.
 */
tb_real *tb_reals_new(size_t n);

/* Wraps the caller's data as a constant. */
struct tb_tensor tb_constant(const tb_real *value, size_t rows, size_t cols);

/* Notes an operation; note is copied. */
void tb_tape_push(struct tb_tape *tape, const struct tb_note *note);

/* loss.grad has been seeded by the caller (usually loss.grad[0] = 1). */
void tb_tape_backward(struct tb_tape *tape);

/* Somebody may want the pass to end: *stop is not 0 then; NULL: nobody. Asked only tells; stopped
 * makes the tape fail as well, which is for where whoever builds the pass looks for that next, and
 * the way back does between operations. stop must outlive the passes. */
void tb_tape_set_stop(struct tb_tape *tape, const atomic_int *stop);
bool tb_tape_asked(const struct tb_tape *tape);
bool tb_tape_stopped(struct tb_tape *tape);

/* True while dropout and the like are active. */
void tb_tape_set_training(struct tb_tape *tape, bool training);
bool tb_tape_training(const struct tb_tape *tape);

#endif
