using System.Globalization;

namespace RagPlatform.Storage;

/// <summary>What an index build may use on PostgreSQL's machine. Null where PostgreSQL does not tell, or may not tell us.</summary>
/// <param name="MaintenanceMemory"><c>maintenance_work_mem</c>, in bytes.</param>
/// <param name="ParallelWorkers"><c>max_parallel_maintenance_workers</c>; 0: builds are serial.</param>
/// <param name="SharedMemoryFree">Bytes that a parallel build can get for its shared memory; null also where nothing but the disk limits it.</param>
/// <param name="MemoryAvailable">Bytes of memory that are free or can be freed at once; in a container, within its limit.</param>
public sealed record BuildResources(long MaintenanceMemory, int ParallelWorkers, long? SharedMemoryFree, long? MemoryAvailable);

/// <summary>How an HNSW index is to be built, decided before the build begins.</summary>
/// <param name="GraphBytes">What the graph takes in memory, estimated.</param>
/// <param name="MemoryBytes"><c>maintenance_work_mem</c> of the build.</param>
/// <param name="Parallel">Whether parallel workers take part.</param>
/// <param name="Warnings">What is not as it should be, and what to set; empty if all is well.</param>
public sealed record HnswBuildPlan(long GraphBytes, long MemoryBytes, bool Parallel, IReadOnlyList<string> Warnings)
{
    private const long Megabyte = 1024 * 1024;

    // pgvector 0.8, m = 16: of each element the struct with its lock (about 130 bytes), 32 neighbours on the ground floor of 16 bytes each, a
    // fifteenth of that above it, and what allocation adds. Measured for 384 dimensions: 2.3 KB.
    private const int ElementBytes = 850;

    // pgvector leaves so much of the memory to other things; the segment has further headers.
    private const long OverheadBytes = 16 * Megabyte;

    private const long LeastMemory = 64 * Megabyte;

    // Of the machine's available memory, for a build that needs more than the server's setting.
    private const int MemoryShare = 4;

    /// <summary>Decides.</summary>
    /// <param name="rows">Vectors of the table.</param>
    /// <param name="dimensions">Their dimensions.</param>
    /// <param name="elementSize">Bytes of a dimension: 4, or 2 for <c>halfvec</c>.</param>
    /// <param name="wantedMemory"><c>maintenance_work_mem</c> as somebody set it for builds, in bytes; null: the server's, or more where the graph needs it and the machine has it.</param>
    /// <param name="resources">What there is.</param>
    public static HnswBuildPlan Make(long rows, int dimensions, int elementSize, long? wantedMemory, BuildResources resources)
    {
        ArgumentNullException.ThrowIfNull(resources);
        var warnings = new List<string>();
        var graph = rows * (((long)dimensions * elementSize) + ElementBytes);
        var needed = graph + OverheadBytes;
        var memory = wantedMemory
            ?? (needed > resources.MaintenanceMemory && resources.MemoryAvailable is { } available
                ? Math.Max(resources.MaintenanceMemory, Math.Min(needed, available / MemoryShare))
                : resources.MaintenanceMemory);

        // A parallel build takes all of its memory at once, in shared memory, however small the graph is.
        var parallel = resources.ParallelWorkers > 0;
        var room = Math.Min(resources.SharedMemoryFree ?? long.MaxValue, (resources.MemoryAvailable ?? long.MaxValue) / 2);
        if (parallel && memory + OverheadBytes > room)
        {
            var enough = Math.Max(LeastMemory, needed * 5 / 4);
            if (enough + OverheadBytes <= room)
            {
                memory = Math.Min(memory, enough);
            }
            else
            {
                parallel = false;
                warnings.Add(Text(
                    $"A parallel index build of {rows} vectors needs {Round(enough + OverheadBytes)} MB of shared memory, and PostgreSQL can get {room / Megabyte} MB (/dev/shm of its machine, at most half of the memory available): one process builds the index, which takes longer. In a container, start PostgreSQL with --shm-size={Round(enough + OverheadBytes)}m."));
            }
        }

        if (needed > memory)
        {
            warnings.Add(Text(
                $"The graph of {rows} vectors takes about {Round(graph)} MB, and the index build has {memory / Megabyte} MB (maintenance_work_mem): from there on it is built on disk, many times slower. Set Indexing:HnswMaintenanceMemory to {Round(needed)}MB if PostgreSQL's machine has it."));
        }

        if (resources.MemoryAvailable is { } memoryAvailable && Math.Min(memory, needed) > memoryAvailable)
        {
            warnings.Add(Text(
                $"The index build may take {Round(Math.Min(memory, needed))} MB, and PostgreSQL's machine has {memoryAvailable / Megabyte} MB of memory available: it may run out. Set Indexing:HnswMaintenanceMemory to less."));
        }

        return new(graph, memory, parallel, warnings);
    }

    /// <summary>What to say when a parallel build failed for want of shared memory that nobody could foresee.</summary>
    internal string Failed(string reason) => Text(
        $"PostgreSQL could not build the index in parallel ({reason}): one process builds it, which takes longer. It needs {Round(MemoryBytes + OverheadBytes)} MB of shared memory; in a container, start PostgreSQL with --shm-size={Round(MemoryBytes + OverheadBytes)}m.");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static long Round(long bytes) => (bytes + Megabyte - 1) / Megabyte;
}
