// Weights are copied to the device as the file has them, some rows at a time; and the products that cuBLAS does with them.
using Engine.Backends;
using Engine.Cuda.Driver;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const int BytesAtOnce = 1 << 20;

    /// <inheritdoc />
    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int outputs = WeightParts.Check(parts);
        var weight = new CudaWeight(_context, outputs, parts[0].Shape.Columns, parts[0].Type, rounding);
        try
        {
            int output = 0;
            foreach (HostTensor part in parts)
            {
                if (weight.Scales != 0) _staging.Write<float>(weight.Scales + (output * sizeof(float)), WeightParts.RowScales(part));
                if (weight.Inputs > 0) CopyRows(part, weight, output);
                output += part.Shape.Rows;
            }

            return weight;
        }
        catch
        {
            weight.Dispose();
            throw;
        }
    }

    /// <inheritdoc />
    public Weight SelectOutputs(Weight weight, ReadOnlySpan<int> outputs)
    {
        CudaWeight whole = Packed(weight, nameof(weight));
        foreach (int output in outputs)
        {
            if ((uint)output >= (uint)whole.Outputs)
            {
                throw new ArgumentException(
                    $"The output is {output}, expected 0 to {whole.Outputs - 1:N0}.", nameof(outputs));
            }
        }

        var selected = new CudaWeight(_context, outputs.Length, whole.Inputs, whole.Type, whole.Rounding);
        int rowBytes = whole.Stride * whole.Type.Bytes();
        for (int i = 0; i < outputs.Length; i++)
        {
            _context.Copy(selected.Data + (nint)((long)i * rowBytes), whole.Data + (nint)((long)outputs[i] * rowBytes), rowBytes);
            if (whole.Scales == 0) continue;
            _context.Copy(selected.Scales + (i * sizeof(float)), whole.Scales + (outputs[i] * sizeof(float)), sizeof(float));
        }

        return selected;
    }

    private static CudaWeight Packed(Weight weight, string name)
    {
        if (weight is not CudaWeight packed)
        {
            throw new ArgumentException(
                $"The weight is {weight?.GetType().Name ?? "null"}, expected one that this backend packed.", name);
        }

        ObjectDisposedException.ThrowIf(packed.IsDisposed, packed);
        return packed;
    }

    private void CopyRows(HostTensor part, CudaWeight weight, int firstOutput)
    {
        int size = weight.Type.Bytes(), columns = weight.Inputs, rowBytes = weight.Stride * size;
        int rowsAtOnce = Math.Max(1, BytesAtOnce / rowBytes);
        var rows = new byte[Math.Min(rowsAtOnce, part.Shape.Rows) * rowBytes];
        var packed = new byte[Math.Min(rowsAtOnce, part.Shape.Rows) * columns * size];
        float[] floats = weight.Type.IsFloat() ? new float[packed.Length / size] : [];
        for (int row = 0; row < part.Shape.Rows; row += rowsAtOnce)
        {
            int count = Math.Min(rowsAtOnce, part.Shape.Rows - row);
            Span<byte> read = packed.AsSpan(0, count * columns * size);
            if (weight.Type.IsFloat()) part.ReadFloats(row, floats.AsSpan(0, count * columns));   // refuses what is not finite
            part.ReadBytes(row, read);
            for (int i = 0; i < count; i++) read.Slice(i * columns * size, columns * size).CopyTo(rows.AsSpan(i * rowBytes));
            nint place = weight.Data + (nint)((long)(firstOutput + row) * rowBytes);
            _staging.Write<byte>(place, rows.AsSpan(0, count * rowBytes));
        }
    }

    // y = x Wᵀ in row-major order is yᵀ = W xᵀ in cuBLAS's column-major order.
    private void GemmFloat(nint x, int ldx, nint w, int ldw, nint y, int ldy, int rows, int outputs, int inputs)
    {
        float one = 1, zero = 0;
        _context.MakeCurrent();
        _context.CheckBlas(
            _context.Blas.GemmEx(
                _context.BlasHandle, CublasCalls.Transposed, CublasCalls.AsStored, outputs, rows, inputs, &one,
                w, CublasCalls.Float32, ldw, x, CublasCalls.Float32, ldx, &zero, y, CublasCalls.Float32, ldy,
                CublasCalls.ComputeFloat32, CublasCalls.DefaultAlgorithm),
            $"cublasGemmEx of [{rows}, {inputs}] and [{outputs}, {inputs}]");
    }

    // 16-bit operands (both bfloat16 or both float16), float32 sums and results.
    private void GemmHalf(
        int elements, nint x, int ldx, nint w, int ldw, nint y, int ldy, int rows, int outputs, int inputs)
    {
        float one = 1, zero = 0;
        _context.MakeCurrent();
        _context.CheckBlas(
            _context.Blas.GemmEx(
                _context.BlasHandle, CublasCalls.Transposed, CublasCalls.AsStored, outputs, rows, inputs, &one,
                w, elements, ldw, x, elements, ldx, &zero, y, CublasCalls.Float32, ldy,
                CublasCalls.ComputeFloat32, CublasCalls.DefaultAlgorithm),
            $"cublasGemmEx of 16-bit [{rows}, {inputs}] and [{outputs}, {inputs}]");
    }

    // Leading dimensions and inputs are multiples of 16 here, as the paddings of weights and quantised rows make them.
    private void GemmInt8(nint x, int ldx, nint w, int ldw, nint y, int ldy, int rows, int outputs, int inputs)
    {
        int one = 1, zero = 0;
        _context.MakeCurrent();
        _context.CheckBlas(
            _context.Blas.GemmEx(
                _context.BlasHandle, CublasCalls.Transposed, CublasCalls.AsStored, outputs, rows, inputs, &one,
                w, CublasCalls.Int8, ldw, x, CublasCalls.Int8, ldx, &zero, y, CublasCalls.Int32, ldy,
                CublasCalls.ComputeInt32, CublasCalls.DefaultAlgorithm),
            $"cublasGemmEx of int8 [{rows}, {inputs}] and [{outputs}, {inputs}]");
    }
}
