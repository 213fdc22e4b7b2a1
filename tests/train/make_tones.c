/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * usage: make-tones FOLDER  -- the data set of tones.h, for test_train.py
 */
#include "tests/train/tones.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 2 || !tb_tones_write(argv[1], 5, 2, 1)) {
        (void)fprintf(stderr, "make-tones: cannot write it\n");
        return 1;
    }
    return 0;
}
