// Weights are copied to the device as the file has them, or rounded to 16 bits, some rows at a time; and the products that cuBLAS
// does with them.
using System.Runtime.InteropServices;
using Engine.Backends;
using Engine.Cuda.Device;
using Engine.Cuda.Driver;
using Engine.Formats;
using Engine.Tensors;

namespace Engine.Cuda;

public sealed unsafe partial class CudaBackend
{
    private const int BytesAtOnce = 1 << 20;
    private const int BytesOfQuad = 16;     // rows of weights are some times as long

    private nint _outputs;                  // numbers of outputs that are selected, on the device
    private int _outputsRoom;

    /// <inheritdoc />
    public Weight Pack(ReadOnlySpan<HostTensor> parts, ActivationRounding rounding = ActivationRounding.Nearest)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int outputs = WeightParts.Check(parts);
        DType type = parts[0].Type == DType.Float32 ? TypeOfFloats : parts[0].Type;
        if (type == DType.BFloat16 && parts[0].Type != type) rounding = ActivationRounding.BFloat16;
        var weight = new CudaWeight(_context, outputs, parts[0].Shape.Columns, type, rounding);
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

        if (_outputsRoom < outputs.Length)
        {
            if (_outputs != 0) _context.Free(_outputs);
            (_outputs, _outputsRoom) = (0, 0);
            _outputs = _context.Allocate((long)outputs.Length * sizeof(int));
            _outputsRoom = outputs.Length;
        }

        var selected = new CudaWeight(_context, outputs.Length, whole.Inputs, whole.Type, whole.Rounding);
        if (outputs.Length == 0 || whole.Stride == 0) return selected;
        _staging.Write(_outputs, outputs);
        Launch(
            _kernels.SelectOutputs, (uint)outputs.Length, 1, 1, ThreadsOfRow, 0,
            whole.Data, whole.Scales, _outputs, selected.Data, selected.Scales, whole.Stride * whole.Type.Bytes() / BytesOfQuad);
        return selected;
    }

    // What float32 weights of a model become.
    private DType TypeOfFloats => _arithmetic switch
    {
        Arithmetic.BFloat16 => DType.BFloat16,
        Arithmetic.Float16 => DType.Float16,
        _ => DType.Float32,
    };

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
            if (part.Type == weight.Type) part.ReadBytes(row, read);
            else Round(part, row, floats.AsSpan(0, count * columns), weight.Type, MemoryMarshal.Cast<byte, ushort>(read));
            for (int i = 0; i < count; i++) read.Slice(i * columns * size, columns * size).CopyTo(rows.AsSpan(i * rowBytes));
            nint place = weight.Data + (nint)((long)(firstOutput + row) * rowBytes);
            _staging.Write<byte>(place, rows.AsSpan(0, count * rowBytes));
        }
    }

    // To the nearest, ties to even.
    private static void Round(HostTensor part, int firstRow, ReadOnlySpan<float> values, DType type, Span<ushort> rounded)
    {
        for (int i = 0; i < values.Length; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(values[i]);
            bool isFloat16 = type == DType.Float16;
            rounded[i] = isFloat16
                ? BitConverter.HalfToUInt16Bits((Half)values[i])
                : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
            int infinity = isFloat16 ? 0x7C00 : 0x7F80;
            if ((rounded[i] & infinity) != infinity) continue;
            (int row, int column) = Math.DivRem(i, part.Shape.Columns);
            throw new ModelFormatException(
                part.File, $"{part.Name}[{firstRow + row}, {column}]", $"{values[i]}", $"a number that {type.Word()} can hold");
        }
    }

    // The arithmetic of float32 operands. Those that training has under float16 are beyond its range: TF32 is as precise.
    private int ComputeOfFloats =>
        _arithmetic == Arithmetic.Float32 ? CublasCalls.ComputeFloat32 : CublasCalls.ComputeTf32;

    // y = x Wᵀ in row-major order is yᵀ = W xᵀ in cuBLAS's column-major order.
    private BlasProduct GemmFloat(nint x, int ldx, nint w, int ldw, nint y, int ldy, int rows, int outputs, int inputs) =>
        Gemm(CublasCalls.Float32, x, ldx, w, ldw, CublasCalls.Float32, y, ldy, rows, outputs, inputs, ComputeOfFloats);

    // 16-bit operands (both bfloat16 or both float16), float32 sums and results.
    private static BlasProduct GemmHalf(
        int elements, nint x, int ldx, nint w, int ldw, nint y, int ldy, int rows, int outputs, int inputs) =>
        Gemm(elements, x, ldx, w, ldw, CublasCalls.Float32, y, ldy, rows, outputs, inputs, CublasCalls.ComputeFloat32);

    // Leading dimensions and inputs are multiples of 16 here, as the paddings of weights and quantised rows make them.
    private static BlasProduct GemmInt8(nint x, int ldx, nint w, int ldw, nint y, int ldy, int rows, int outputs, int inputs) =>
        Gemm(CublasCalls.Int8, x, ldx, w, ldw, CublasCalls.Int32, y, ldy, rows, outputs, inputs, CublasCalls.ComputeInt32);

    private static BlasProduct Gemm(
        int elements, nint x, int ldx, nint w, int ldw, int results, nint y, int ldy, int rows, int outputs, int inputs,
        int compute) =>
        new()
        {
            TransposeA = CublasCalls.Transposed,
            TransposeB = CublasCalls.AsStored,
            M = outputs,
            N = rows,
            K = inputs,
            A = new BlasMatrix(w, elements, ldw),
            B = new BlasMatrix(x, elements, ldx),
            C = new BlasMatrix(y, results, ldy),
            Compute = compute,
        };
}
