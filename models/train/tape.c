/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/train/tape.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAX_NOTES = 1024, ALIGN = 64 };

struct tb_tape {
    unsigned char *arena;
    size_t size, used, dirty; /* dirty: bytes from the start that may hold old values */
    bool failed, training;
    const atomic_int *stop;
    size_t n_notes;
    struct tb_note notes[MAX_NOTES];
};

struct tb_tape *tb_tape_new(size_t arena_bytes)
{
    struct tb_tape *tape = calloc(1, sizeof *tape);
    if (!tape)
        return NULL;
    void *arena = mmap(NULL, arena_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED) {
        free(tape);
        return NULL;
    }
    (void)madvise(arena, arena_bytes, MADV_HUGEPAGE);
    tape->arena = arena;
    tape->size = arena_bytes;
    return tape;
}

void tb_tape_free(struct tb_tape *tape)
{
    if (!tape)
        return;
    (void)munmap(tape->arena, tape->size);
    free(tape);
}

void tb_tape_reset(struct tb_tape *tape)
{
    tape->used = 0;
    tape->n_notes = 0;
    tape->failed = false;
}

bool tb_tape_failed(const struct tb_tape *tape)
{
    return tape->failed;
}

size_t tb_tape_used(const struct tb_tape *tape)
{
    return tape->used;
}

bool tb_tape_asked(const struct tb_tape *tape)
{
    return tape->stop && *tape->stop;
}

bool tb_tape_stopped(struct tb_tape *tape)
{
    if (tb_tape_asked(tape))
        tape->failed = true;
    return tape->failed;
}

void tb_tape_set_stop(struct tb_tape *tape, const atomic_int *stop)
{
    tape->stop = stop;
}

static size_t rounded(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

void *tb_tape_room(struct tb_tape *tape, size_t bytes)
{
    if (rounded(bytes) < bytes || rounded(bytes) > tape->size - tape->used) {
        tape->failed = true;
        return NULL;
    }
    unsigned char *p = tape->arena + tape->used;
    tape->used += rounded(bytes);
    if (tape->used > tape->dirty)
        tape->dirty = tape->used;
    return p;
}

void *tb_tape_alloc(struct tb_tape *tape, size_t bytes)
{
    const size_t from = tape->used, dirty = tape->dirty;
    void *p = tb_tape_room(tape, bytes);
    if (p && from < dirty) { /* fresh pages are zero already */
        size_t old = dirty - from;
        memset(p, 0, old < rounded(bytes) ? old : rounded(bytes));
    }
    return p;
}

struct tb_tensor tb_tape_tensor(struct tb_tape *tape, size_t rows, size_t cols, bool with_grad)
{
    struct tb_tensor t = {.rows = rows, .cols = cols};
    t.value = tb_tape_alloc(tape, rows * cols * sizeof(tb_real));
    if (with_grad)
        t.grad = tb_tape_alloc(tape, rows * cols * sizeof(tb_real));
    if (tape->failed)
        t = (struct tb_tensor){0};
    return t;
}

tb_real *tb_reals_new(size_t n)
{
    if (n > SIZE_MAX / sizeof(tb_real) - ALIGN)
        return NULL;
    void *p = aligned_alloc(ALIGN, rounded(n * sizeof(tb_real)));
    return p ? memset(p, 0, rounded(n * sizeof(tb_real))) : NULL;
}

struct tb_tensor tb_constant(const tb_real *value, size_t rows, size_t cols)
{
    union {
        const tb_real *in;
        tb_real *out;
    } view = {.in = value}; /* never written: constants have no gradient */
    return (struct tb_tensor){.value = view.out, .rows = rows, .cols = cols};
}

void tb_tape_push(struct tb_tape *tape, const struct tb_note *note)
{
    if (tape->n_notes == MAX_NOTES)
        tape->failed = true;
    if (!tape->failed)
        tape->notes[tape->n_notes++] = *note;
}

void tb_tape_backward(struct tb_tape *tape)
{
    for (size_t i = tape->n_notes; i-- > 0 && !tb_tape_stopped(tape);)
        if (tape->notes[i].out.grad)
            tape->notes[i].backward(&tape->notes[i]);
}

void tb_tape_set_training(struct tb_tape *tape, bool training)
{
    tape->training = training;
}

bool tb_tape_training(const struct tb_tape *tape)
{
    return tape->training;
}
