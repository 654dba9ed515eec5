using RagPlatform.Integration.Tests.Infrastructure;

namespace RagPlatform.Integration.Tests.Indexing;

/// <summary>Several workers on one database.</summary>
public sealed class TwoWorkersTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Fact]
    public async Task Index_TwoWorkersOneBacklog_BothWorkAndNothingIsDoneTwice()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "shared");
        var documents = Enumerable.Range(0, 200).Select(i => ($"d{i:000}", $"Document {i}.")).ToArray();
        await workspace.PutAsync(documents);

        // Neither can take everything before the other one is there.
        await using var first = await WorkerHost.StartAsync(database, ("Indexing:ClaimSize", "8"), ("Indexing:DocumentsInWork", "8"));
        await using var second = await WorkerHost.StartAsync(database, ("Indexing:ClaimSize", "8"), ("Indexing:DocumentsInWork", "8"));
        var both = new TaskCompletionSource();
        var (one, two) = (0, 0);
        first.BeforeAnswer = _ => MeetAsync(ref one);
        second.BeforeAnswer = _ => MeetAsync(ref two);
        await WorkerHost.WaitUntilIdleAsync(database, 60);

        Assert.NotEmpty(first.Embedded);
        Assert.NotEmpty(second.Embedded);
        Assert.Equal(documents.Select(d => d.Item2).Order(), first.Embedded.Concat(second.Embedded).Order());
        Assert.Equal(200, await workspace.CountAsync("chunks"));
        Assert.Equal(200, await workspace.CountAsync(workspace.Space.VectorTable));

        Task MeetAsync(ref int mine)
        {
            Volatile.Write(ref mine, 1);
            if (Volatile.Read(ref one) + Volatile.Read(ref two) == 2)
            {
                both.TrySetResult();
            }

            return both.Task;
        }
    }

    [Fact]
    public async Task Index_TextsThatChangeAllTheTimeInTwoSpaces_NoRowIsInConflict()
    {
        // Two tasks for each document, of a route with two spaces, in two workers: who comes second finds the chunks of the first. Each text
        // has a passage twice, and changes while it is in work.
        var workspace = await TestWorkspace.CreateAsync(database, "conflict", 16, "sentence");
        var other = await TestWorkspace.CreateAsync(database, "elsewhere", 17);
        await WorkerHost.ExecuteAsync(
            database, $"UPDATE routes SET target_space = {other.Space.SpaceId}, target_share = 0 WHERE workspace_id = {workspace.Id}");
        await using var first = await WorkerHost.StartAsync(database);
        await using var second = await WorkerHost.StartAsync(database);

        for (var round = 0; round < 15; round++)
        {
            await workspace.PutAsync([.. Enumerable.Range(0, 6).Select(i => ($"d{i}", Text(round, i)))]);
        }

        await WorkerHost.WaitUntilIdleAsync(database, 60);
        Assert.Equal(0, await workspace.CountAsync("dead_letters"));
        for (var i = 0; i < 6; i++)
        {
            Assert.NotEmpty(await workspace.ReadIndexAsync($"d{i}"));
        }

        var chunks = await workspace.CountAsync("chunks");
        Assert.Equal(chunks, await workspace.CountAsync(workspace.Space.VectorTable));
        Assert.Equal(chunks, await workspace.CountAsync(other.Space.VectorTable));

        static string Text(int round, int i)
        {
            var repeated = string.Concat(Enumerable.Repeat($"The same sentence stands in document {i} again and again. ", 40));
            return $"{repeated}\n\nNow it is round {round / 2}.\n\n{repeated}";
        }
    }
}
