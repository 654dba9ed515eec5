using RagPlatform.SingleNode;
using RagPlatform.LocalServers;

namespace RagPlatform.Integration.Tests.SingleNode;

public sealed class PostgresChoiceTests
{
    private static readonly PostgresBinaries s_seventeen = new(17, "/17", HasVector: true);
    private static readonly PostgresBinaries s_sixteenWithoutVector = new(16, "/16", HasVector: false);
    private static readonly PostgresBinaries s_fifteen = new(15, "/15", HasVector: true);

    [Fact]
    public void Choose_NewFolder_TakesTheNewestWithPgvector()
    {
        Assert.Equal(17, PostgresBinaries.Choose([s_seventeen, s_sixteenWithoutVector, s_fifteen], null, "/data").Major);
        Assert.Equal(15, PostgresBinaries.Choose([s_sixteenWithoutVector, s_fifteen], null, "/data").Major);
    }

    [Fact]
    public void Choose_FolderOfAnOlderVersionThatIsInstalled_TakesThatVersion() =>
        Assert.Equal(15, PostgresBinaries.Choose([s_seventeen, s_fifteen], 15, "/data").Major);

    [Fact]
    public void Choose_NothingUsable_SaysWhatToInstall()
    {
        var error = Assert.Throws<LocalServerException>(() => PostgresBinaries.Choose([s_sixteenWithoutVector], null, "/data"));

        Assert.Equal(LocalServerFault.ServerMissing, error.Fault);
        Assert.Contains("eng/install-backends.sh", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Choose_FolderOfAnotherVersion_NamesBothVersions()
    {
        var error = Assert.Throws<LocalServerException>(() => PostgresBinaries.Choose([s_seventeen], 16, "/data"));

        Assert.Equal(LocalServerFault.DataFolder, error.Fault);
        Assert.Contains("PostgreSQL 16", error.Message, StringComparison.Ordinal);
        Assert.Contains("PostgreSQL 17", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, "shared_buffers = 256MB", "maintenance_work_mem = 64MB")]
    [InlineData(4, "shared_buffers = 1024MB", "maintenance_work_mem = 256MB")]
    [InlineData(64, "shared_buffers = 4096MB", "maintenance_work_mem = 2048MB")]
    public void Write_Settings_FollowTheMemoryOfTheMachine(int gigabytes, string sharedBuffers, string maintenance)
    {
        var settings = PostgresSettings.Write(gigabytes * 1024L * 1024 * 1024, processors: 2, durable: true);

        Assert.Contains(sharedBuffers + "\n", settings, StringComparison.Ordinal);
        Assert.Contains(maintenance + "\n", settings, StringComparison.Ordinal);
        Assert.DoesNotContain("fsync", settings, StringComparison.Ordinal);
    }
}
