namespace RagPlatform.Storage.Tests;

public sealed class HnswBuildPlanTests
{
    private const long Megabyte = 1024 * 1024;

    [Fact]
    public void Make_EverythingFits_TheServersSettingsStay()
    {
        var plan = HnswBuildPlan.Make(100_000, 384, 4, null, new(1024 * Megabyte, 2, 8192 * Megabyte, 16_384 * Megabyte));

        Assert.Equal((1024 * Megabyte, true), (plan.MemoryBytes, plan.Parallel));
        Assert.Empty(plan.Warnings);
    }

    // As measured: 100,000 vectors of 384 dimensions take 220 to 240 MB.
    [Theory]
    [InlineData(384, 4, 200, 250)]
    [InlineData(3072, 2, 630, 700)]
    public void Make_Graph_IsEstimated(int dimensions, int elementSize, long least, long most)
    {
        var plan = HnswBuildPlan.Make(100_000, dimensions, elementSize, null, new(64 * Megabyte, 0, null, null));

        Assert.InRange(plan.GraphBytes / Megabyte, least, most);
    }

    [Fact]
    public void Make_SharedMemoryOfAContainer_SerialWithTheSizeToSet()
    {
        var plan = HnswBuildPlan.Make(100_000, 384, 4, null, new(1024 * Megabyte, 2, 64 * Megabyte, 16_384 * Megabyte));

        Assert.False(plan.Parallel);
        Assert.Equal(1024 * Megabyte, plan.MemoryBytes);
        Assert.Contains("--shm-size=", Assert.Single(plan.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Make_SmallGraphAndLittleSharedMemory_ParallelWithLessMemory()
    {
        var plan = HnswBuildPlan.Make(10_000, 384, 4, null, new(1024 * Megabyte, 2, 128 * Megabyte, 16_384 * Megabyte));

        Assert.True(plan.Parallel);
        Assert.InRange(plan.MemoryBytes, plan.GraphBytes, 112 * Megabyte);
        Assert.Empty(plan.Warnings);
    }

    [Fact]
    public void Make_GraphOverTheServersSetting_TakesMoreOfWhatTheMachineHas()
    {
        var plan = HnswBuildPlan.Make(1_000_000, 384, 4, null, new(64 * Megabyte, 2, null, 16_384 * Megabyte));

        Assert.InRange(plan.MemoryBytes, plan.GraphBytes, 4096 * Megabyte);
        Assert.Empty(plan.Warnings);
    }

    [Fact]
    public void Make_GraphOverAQuarterOfTheMachine_SaysThatItGoesToDisk()
    {
        var plan = HnswBuildPlan.Make(10_000_000, 384, 4, null, new(64 * Megabyte, 0, null, 16_384 * Megabyte));

        Assert.Equal(4096 * Megabyte, plan.MemoryBytes);
        Assert.Contains("HnswMaintenanceMemory", Assert.Single(plan.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Make_NothingIsKnownOfTheMachine_TheServersSettingStaysAndParallelIsTried()
    {
        var plan = HnswBuildPlan.Make(1_000_000, 384, 4, null, new(64 * Megabyte, 2, null, null));

        Assert.Equal((64 * Megabyte, true), (plan.MemoryBytes, plan.Parallel));
        Assert.Single(plan.Warnings);
    }

    [Fact]
    public void Make_MemoryThatSomebodySet_IsTakenAndDoubtedWhereTheMachineHasLess()
    {
        var plan = HnswBuildPlan.Make(1_000_000, 384, 4, 8192 * Megabyte, new(64 * Megabyte, 0, null, 1024 * Megabyte));

        Assert.Equal(8192 * Megabyte, plan.MemoryBytes);
        Assert.Contains("run out", Assert.Single(plan.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tmpfs / tmpfs rw 0 0\nshm /dev/shm tmpfs rw,nosuid,size=65536k,inode64 0 0\n", 65_536 * 1024L)]
    [InlineData("tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0\n", 500L)]
    [InlineData("tmpfs / tmpfs rw,size=1k 0 0\n", null)]
    [InlineData(null, null)]
    public void SharedMemorySize_Mounts_AsTheKernelSaysIt(string? mounts, long? expected) =>
        Assert.Equal(expected, BuildResourceReader.SharedMemorySize(mounts, 1000));

    [Fact]
    public void Kilobytes_LineOfMeminfo_IsReadInBytes()
    {
        const string Text = "MemTotal:       24683760 kB\nMemFree:        123 kB\nMemAvailable:   1024 kB\n";

        Assert.Equal(1024L * 1024, BuildResourceReader.Kilobytes(Text, "MemAvailable:"));
        Assert.Null(BuildResourceReader.Kilobytes(Text, "SwapTotal:"));
        Assert.Null(BuildResourceReader.Kilobytes(null, "MemTotal:"));
    }
}
