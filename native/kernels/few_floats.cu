// Products of a few rows with weights of 32-bit floats: a file of their own, because the driver compiles a file when one of its kernels is used.
#include "few.cuh"

FEW_OF(f32, float)
