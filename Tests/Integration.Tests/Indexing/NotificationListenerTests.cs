using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Integration.Tests.Search;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

public sealed class NotificationListenerTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Hears_ServerItself_IsKnownAndEndsWithListening()
    {
        var listener = new NotificationListener(database.DataSource);
        var changed = new TaskCompletionSource<string>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var listening = listener.ListenToEmbeddingAsync(() => { }, table => changed.TrySetResult(table), stop.Token);
        while (!listener.Hears)
        {
            await Task.Delay(10, Cancelled);
        }

        await using (var command = database.DataSource.CreateCommand("INSERT INTO embedding_aliases (alias, model) VALUES ('a', 'b')"))
        {
            await command.ExecuteNonQueryAsync(Cancelled);
        }

        Assert.Equal("embedding_aliases", await changed.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancelled));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => listening);
        Assert.False(listener.Hears);
    }

    // A pooler takes the server's connection away after each statement: who listened there must not believe that it hears.
    [Fact]
    public async Task Hears_ThroughAPooler_IsFalse()
    {
        if (PgBouncer.FindProgram() is not { } program)
        {
            throw Requirements.Missing("pgbouncer is not installed: run eng/install-backends.sh --pgbouncer.");
        }

        await using var bouncer = await PgBouncer.StartAsync(program, database.ConnectionString, Cancelled);
        await using var through = StorageDataSource.Create(bouncer.ConnectionString);
        var listener = new NotificationListener(through) { EchoLimit = TimeSpan.FromMilliseconds(500) };
        var began = new TaskCompletionSource();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var listening = listener.ListenToTasksAsync(() => began.TrySetResult(), () => { }, stop.Token);
        await began.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancelled);

        for (var i = 0; i < 20; i++)
        {
            await Task.Delay(50, Cancelled);
            Assert.False(listener.Hears);
        }

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => listening);
    }
}
