// One suite for every backend: each operator against its definition, within derived bounds, and the promises about
// bits. Linked into the test project of each backend; the cases are in the other parts of this class, one file a group.
namespace Engine.Conformance;

/// <summary>What every backend must do. A backend's tests inherit this and say how it is made.</summary>
public abstract partial class BackendConformance : ConformanceHarness;
