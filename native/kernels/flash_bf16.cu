// Flash attention in bfloat16, for heads up to a width: see flash.cuh.
#include "flash.cuh"

PACK_SENTENCES(pack_sentences, BFloat16Arithmetic)

FLASH(flash_16, BFloat16Arithmetic, 16, 2, true)
FLASH(flash_32, BFloat16Arithmetic, 32, 2, true)
FLASH(flash_64, BFloat16Arithmetic, 64, 2, true)
FLASH(flash_96, BFloat16Arithmetic, 96, 2, false)
FLASH(flash_128, BFloat16Arithmetic, 128, 2, false)
