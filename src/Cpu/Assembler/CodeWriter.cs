// An assembler for the few instructions that the kernels are made of: x86-64, 64-bit and 512-bit registers. Encodings are
// those of the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2 (2.7: EVEX).
using System.Buffers.Binary;

namespace Engine.Cpu.Assembler;

/// <summary>A general register, by its number in the encoding.</summary>
internal enum Register
{
    Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15,
}

/// <summary>A place in memory: base + index · scale + displacement.</summary>
/// <param name="Base">Not absent.</param>
/// <param name="Displacement">Bytes.</param>
/// <param name="Index">Null: none. Not rsp.</param>
/// <param name="Scale">1, 2, 4 or 8.</param>
internal readonly record struct Place(Register Base, int Displacement = 0, Register? Index = null, int Scale = 1);

/// <summary>Writes machine code, byte by byte, from the first instruction to the last.</summary>
internal sealed class CodeWriter
{
    private byte[] _code = new byte[1 << 14];

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>What is written.</summary>
    public ReadOnlySpan<byte> Code => _code.AsSpan(0, Length);

    /// <summary>Fills up to a multiple with instructions that do nothing.</summary>
    public void Align(int multiple)
    {
        while (Length % multiple != 0) Byte(0x90);
    }

    /// <summary>mov to, [place].</summary>
    public void Load(Register to, Place place) => Whole(0x8B, (int)to, place);

    /// <summary>mov to, number.</summary>
    public void Load(Register to, int number)
    {
        Byte((byte)(0x48 | ((int)to >> 3)));
        Byte(0xC7);
        Byte((byte)(0xC0 | ((int)to & 7)));
        Int32(number);
    }

    /// <summary>mov [place], from.</summary>
    public void Store(Register from, Place place) => Whole(0x89, (int)from, place);

    /// <summary>lea to, [place].</summary>
    public void Address(Register to, Place place) => Whole(0x8D, (int)to, place);

    /// <summary>mov to, from.</summary>
    public void Move(Register to, Register from) => Whole(0x8B, (int)to, from);

    /// <summary>add to, from.</summary>
    public void Add(Register to, Register from) => Whole(0x03, (int)to, from);

    /// <summary>add to, number.</summary>
    public void Add(Register to, int number) => Immediate(extension: 0, to, number);

    /// <summary>sub from, number. Sets the flags that <see cref="JumpIf"/> reads.</summary>
    public void Subtract(Register from, int number) => Immediate(extension: 5, from, number);

    /// <summary>push.</summary>
    public void Push(Register register) => Stack(0x50, register);

    /// <summary>pop.</summary>
    public void Pop(Register register) => Stack(0x58, register);

    /// <summary>ret.</summary>
    public void Return() => Byte(0xC3);

    /// <summary>A jump to code that is written already.</summary>
    public void JumpIf(Condition condition, int target)
    {
        Byte(0x0F);
        Byte((byte)(0x80 | (int)condition));
        Int32(target - (Length + 4));
    }

    /// <summary>A jump to code that is still to be written.</summary>
    /// <returns>What <see cref="Land"/> wants.</returns>
    public int JumpForwardIf(Condition condition)
    {
        JumpIf(condition, Length);
        return Length;
    }

    /// <summary>Makes a jump forward end here.</summary>
    public void Land(int jump) => BinaryPrimitives.WriteInt32LittleEndian(_code.AsSpan(jump - 4), Length - jump);

    /// <summary>prefetcht0 [place].</summary>
    public void Prefetch(Place place)
    {
        Rex(reg: 1, place, wide: false);
        Byte(0x0F);
        Byte(0x18);
        Operand(1, place, scale8: 1);
    }

    /// <summary>movups [place], xmm: the lower 128 bits.</summary>
    public void StoreLow(int vector, Place place) => Legacy(0x11, vector, place);

    /// <summary>movups xmm, [place]: the lower 128 bits.</summary>
    public void LoadLow(int vector, Place place) => Legacy(0x10, vector, place);

    /// <summary>vzeroupper.</summary>
    public void ZeroUpper()
    {
        Byte(0xC5);
        Byte(0xF8);
        Byte(0x77);
    }

    /// <summary>vmovups zmm, [place].</summary>
    public void LoadVector(int to, Place place) => Vector(VectorCode.Load, to, 0, place, elementBytes: 64);

    /// <summary>vmovups [place], zmm.</summary>
    public void StoreVector(int from, Place place) => Vector(VectorCode.Store, from, 0, place, elementBytes: 64);

    /// <summary>vpbroadcastd zmm, [place]: 32 bits into all lanes.</summary>
    public void Broadcast(int to, Place place) => Vector(VectorCode.Broadcast, to, 0, place, elementBytes: 4);

    /// <summary>to = to op (left, right), or to = op (left, right).</summary>
    public void Vector(VectorCode code, int to, int left, int right)
    {
        Evex(code, to, left, baseHigh: (right >> 3) & 1, indexHigh: (right >> 4) & 1);
        Byte((byte)(0xC0 | ((to & 7) << 3) | (right & 7)));
    }

    /// <summary>to = to op (left, [place]).</summary>
    public void Vector(VectorCode code, int to, int left, Place place) => Vector(code, to, left, place, elementBytes: 64);

    private void Vector(VectorCode code, int to, int left, Place place, int elementBytes)
    {
        Evex(code, to, left, (int)place.Base >> 3, place.Index is { } index ? (int)index >> 3 : 0);
        Operand(to & 7, place, elementBytes);
    }

    // 62; R X B R' 0 mmm; W vvvv 1 pp; z L'L b V' aaa. All of R, X, B, R', vvvv and V' are inverted. L'L = 10: 512 bits.
    private void Evex(VectorCode code, int reg, int left, int baseHigh, int indexHigh)
    {
        int map = ((int)code >> 8) & 7, prefix = ((int)code >> 12) & 3;
        Byte(0x62);
        Byte((byte)(((reg & 8) != 0 ? 0 : 0x80) | (indexHigh != 0 ? 0 : 0x40) | (baseHigh != 0 ? 0 : 0x20)
            | ((reg & 16) != 0 ? 0 : 0x10) | map));
        Byte((byte)(((~left & 15) << 3) | 4 | prefix));
        Byte((byte)(0x40 | ((left & 16) != 0 ? 0 : 8)));
        Byte((byte)code);
    }

    private void Whole(byte opcode, int reg, Place place)
    {
        Rex(reg, place, wide: true);
        Byte(opcode);
        Operand(reg & 7, place, scale8: 1);
    }

    private void Whole(byte opcode, int reg, Register other)
    {
        Byte((byte)(0x48 | ((reg >> 3) << 2) | ((int)other >> 3)));
        Byte(opcode);
        Byte((byte)(0xC0 | ((reg & 7) << 3) | ((int)other & 7)));
    }

    private void Immediate(int extension, Register register, int number)
    {
        Byte((byte)(0x48 | ((int)register >> 3)));
        bool isShort = number is >= sbyte.MinValue and <= sbyte.MaxValue;
        Byte(isShort ? (byte)0x83 : (byte)0x81);
        Byte((byte)(0xC0 | (extension << 3) | ((int)register & 7)));
        if (isShort) Byte((byte)number);
        else Int32(number);
    }

    private void Stack(byte opcode, Register register)
    {
        if (register >= Register.R8) Byte(0x41);
        Byte((byte)(opcode | ((int)register & 7)));
    }

    private void Legacy(byte opcode, int vector, Place place)
    {
        Rex(vector, place, wide: false);
        Byte(0x0F);
        Byte(opcode);
        Operand(vector & 7, place, scale8: 1);
    }

    private void Rex(int reg, Place place, bool wide)
    {
        int index = place.Index is { } register ? (int)register >> 3 : 0;
        int rex = (wide ? 8 : 0) | ((reg >> 3) << 2) | (index << 1) | ((int)place.Base >> 3);
        if (rex != 0) Byte((byte)(0x40 | rex));
    }

    // ModRM, SIB and displacement. A displacement of 8 bits counts in units of scale8 bytes.
    private void Operand(int reg, Place place, int scale8)
    {
        bool isShort = place.Displacement % scale8 == 0 && place.Displacement / scale8 is >= sbyte.MinValue and <= sbyte.MaxValue;
        bool none = place.Displacement == 0 && ((int)place.Base & 7) != (int)Register.Rbp;   // that code means another form
        int mode = none ? 0 : isShort ? 0x40 : 0x80;
        if (place.Index is { } index)
        {
            Byte((byte)(mode | (reg << 3) | 4));
            Byte((byte)((int.Log2(place.Scale) << 6) | (((int)index & 7) << 3) | ((int)place.Base & 7)));
        }
        else if (((int)place.Base & 7) == (int)Register.Rsp)
        {
            Byte((byte)(mode | (reg << 3) | 4));
            Byte(0x24);
        }
        else Byte((byte)(mode | (reg << 3) | ((int)place.Base & 7)));

        if (none) return;
        if (isShort) Byte((byte)(place.Displacement / scale8));
        else Int32(place.Displacement);
    }

    private void Int32(int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        foreach (byte value in bytes) Byte(value);
    }

    private void Byte(byte value)
    {
        if (Length == _code.Length) Array.Resize(ref _code, 2 * Length);
        _code[Length++] = value;
    }
}

/// <summary>Conditions of a jump, by their number in the encoding.</summary>
internal enum Condition
{
    Zero = 4,
    NotZero = 5,
    Less = 12,
    NotLess = 13,
}

/// <summary>Instructions on vectors: opcode, map · 256 (1: 0F, 2: 0F38), prefix · 4096 (1: 66, 2: F3).</summary>
internal enum VectorCode
{
    /// <summary>vmovups zmm, m512.</summary>
    Load = 0x0110,

    /// <summary>vmovups m512, zmm.</summary>
    Store = 0x0111,

    /// <summary>vcvtdq2ps: to float, rounded to nearest even.</summary>
    ToFloat = 0x015B,

    /// <summary>vaddps.</summary>
    AddFloats = 0x0158,

    /// <summary>vmulps.</summary>
    Multiply = 0x0159,

    /// <summary>vdivps.</summary>
    Divide = 0x015E,

    /// <summary>vpbroadcastd.</summary>
    Broadcast = 0x1258,

    /// <summary>vpxord.</summary>
    Xor = 0x11EF,

    /// <summary>vmaxps: the right one where one is NaN.</summary>
    Maximum = 0x015F,

    /// <summary>vfmadd231ps: to += left · right.</summary>
    MultiplyAdd = 0x12B8,

    /// <summary>vpdpbusd (AVX512-VNNI): to += four products of unsigned (left) and signed (right) bytes.</summary>
    DotBytes = 0x1250,

    /// <summary>vdpbf16ps (AVX512-BF16): to += two products of bfloat16.</summary>
    DotBFloat16 = 0x2252,
}
