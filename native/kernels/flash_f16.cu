// Flash attention in float16, for heads up to a width: see flash.cuh.
#include "flash.cuh"

PACK_SENTENCES(pack_sentences, Float16Arithmetic)

FLASH(flash_16, Float16Arithmetic, 16, 2, true)
FLASH(flash_32, Float16Arithmetic, 32, 2, true)
FLASH(flash_64, Float16Arithmetic, 64, 2, true)
FLASH(flash_96, Float16Arithmetic, 96, 2, false)
FLASH(flash_128, Float16Arithmetic, 128, 2, false)
