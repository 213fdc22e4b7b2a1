/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TB_RT_RTGUARD_H
#define TB_RT_RTGUARD_H

/* Watches one region of one thread and aborts with a backtrace when the region does what the audio
 * thread must not: allocate, lock, print, sleep, make any system call, fault a page in or give the
 * CPU away. Linked into a test, it replaces the functions of libc that can block without a system
 * call; the system calls themselves are caught by the kernel (syscall user dispatch, x86-64).
 * Regions nest; each thread has its own. */

/* Any thread, once at the start of a test: locks and touches memory, loads what a backtrace needs.
 * Page faults are held against a region only where the lock was granted. */
void tb_guard_start(void);

void tb_guard_enter(const char *region);
void tb_guard_exit(void);

/* Called by the replaced functions: aborts inside a region, does nothing outside. */
void tb_guard_check(const char *function);

/* What this machine can check; a test says so when something is missing. */
struct tb_guard_layers {
    int syscalls; /* 1: every system call is caught */
    int faults;   /* 1: memory is locked, page faults abort */
};
struct tb_guard_layers tb_guard_layers(void);

/* Regions entered by all threads so far: a test that guarded nothing must not pass. */
unsigned long tb_guard_regions(void);

#endif
