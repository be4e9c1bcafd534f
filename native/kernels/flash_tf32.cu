// Flash attention in TF32, for heads up to a width: see flash.cuh. A left factor takes twice the registers, so a warp has 16 queries.
#include "flash.cuh"

PACK_SENTENCES(pack_sentences, Tf32Arithmetic)

FLASH(flash_16, Tf32Arithmetic, 16, 1, true)
FLASH(flash_32, Tf32Arithmetic, 32, 1, true)
FLASH(flash_64, Tf32Arithmetic, 64, 1, true)
FLASH(flash_96, Tf32Arithmetic, 96, 1, true)
FLASH(flash_128, Tf32Arithmetic, 128, 1, true)
