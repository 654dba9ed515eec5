using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

public sealed class PreparedChunkTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static readonly float[] s_first = [1, 0, 0, 0, 0, 0, 0, 0];
    private static readonly float[] s_second = [0, 1, 0, 0, 0, 0, 0, 0];

    [Fact]
    public async Task Put_ChunksWithAndWithoutVectors_OnlyThoseWithoutAreEmbedded()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "prepared");
        await workspace.PutPreparedAsync("a", "one two one", ("one", s_first), ("two", null), ("one", s_first));
        await WorkerHost.WaitUntilIdleAsync(database);

        Assert.Equal(["two"], worker.Embedded);
        Assert.Equal(
            [Row("one", s_first), Row("two", WorkerHost.VectorOf("two", 8)), Row("one", s_first)], await ReadAsync(workspace));
    }

    [Fact]
    public async Task Put_SameChunksAgain_NothingIsRaised()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "same");
        await workspace.PutPreparedAsync("a", "one", ("one", s_first));
        await WorkerHost.WaitUntilIdleAsync(database);
        var revision = await RevisionAsync(workspace);
        await worker.StopAsync();
        await workspace.PutPreparedAsync("a", "one", ("one", s_first));

        Assert.Equal(revision, await RevisionAsync(workspace));
        Assert.Equal(0, await workspace.CountAsync("tasks"));
        Assert.Equal(1, await workspace.CountAsync("prepared_chunks"));
    }

    [Fact]
    public async Task Put_OtherVectorOfTheSameText_ReplacesItWithoutEmbedding()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "replaced");
        await workspace.PutPreparedAsync("a", "one two", ("one", s_first), ("two", s_second));
        await WorkerHost.WaitUntilIdleAsync(database);
        var revision = await RevisionAsync(workspace);
        await workspace.PutPreparedAsync("a", "one two", ("one", s_second), ("two", s_second));
        Assert.True(await RevisionAsync(workspace) > revision);
        await WorkerHost.WaitUntilIdleAsync(database);

        Assert.Empty(worker.Embedded);
        Assert.Equal([Row("one", s_second), Row("two", s_second)], await ReadAsync(workspace));
    }

    [Fact]
    public async Task Put_GivenVectorNoMore_TextIsEmbedded()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "taken_back");
        await workspace.PutPreparedAsync("a", "one", ("one", s_first));
        await WorkerHost.WaitUntilIdleAsync(database);
        await workspace.PutAsync(("a", "one"));
        await WorkerHost.WaitUntilIdleAsync(database);

        Assert.Equal(["one"], worker.Embedded);
        Assert.Equal(["one"], await workspace.ReadIndexAsync("a"));
        Assert.Equal(0, await workspace.CountAsync("prepared_chunks"));
    }

    [Fact]
    public async Task Put_FewerChunksThenDelete_NothingIsLeftBehind()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "fewer");
        await workspace.PutPreparedAsync("a", "one two", ("one", s_first), ("two", s_second));
        await WorkerHost.WaitUntilIdleAsync(database);
        await workspace.PutPreparedAsync("a", "one two", ("two", s_second));
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.Equal([Row("two", s_second)], await ReadAsync(workspace));
        Assert.Equal(1, await workspace.CountAsync("prepared_chunks"));

        await workspace.DeleteAsync("a");
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.Equal(0, await workspace.CountAsync("prepared_chunks"));
        Assert.Equal(0, await workspace.CountAsync("chunks"));
    }

    [Fact]
    public async Task Index_VectorsOfAnotherSpace_AreNotUsed()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "other_space");
        var other = await new SpaceStore(database.DataSource).EnsureAsync(
            new(0, "other_8", "other", "", 8, true, "", "", 0, true), TestContext.Current.CancellationToken);
        await new DocumentStore(database.DataSource).PutAsync(
            workspace.Id, [new("a", "", "one", "{}", 1, [new("one", 0, 0, "", other.SpaceId, s_first)])], TestContext.Current.CancellationToken);
        await WorkerHost.WaitUntilIdleAsync(database);

        Assert.Equal(["one"], worker.Embedded);
        Assert.Equal(["one"], await workspace.ReadIndexAsync("a"));
    }

    private static string Row(string text, float[] vector) => $"{text}: {string.Join(' ', vector)}";

    private Task<long> RevisionAsync(TestWorkspace workspace) =>
        WorkerHost.QueryAsync<long>(database, $"SELECT revision FROM documents WHERE workspace_id = {workspace.Id}");

    private async Task<List<string>> ReadAsync(TestWorkspace workspace)
    {
        await using var command = database.DataSource.CreateCommand($"""
            SELECT c.text, v.embedding::real[] FROM chunks c JOIN {workspace.Space.VectorTable} v USING (workspace_id, chunk_id)
            WHERE c.workspace_id = {workspace.Id} ORDER BY c.ordinal
            """);
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var rows = new List<string>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            rows.Add(Row(reader.GetString(0), reader.GetFieldValue<float[]>(1)));
        }

        return rows;
    }
}
