// The gradients of dot-product attention: see attention_gradient.cuh.
#include "attention_gradient.cuh"

GRADIENT(dot_1, false, 1)
GRADIENT(dot_2, false, 2)
GRADIENT(dot_4, false, 4)
