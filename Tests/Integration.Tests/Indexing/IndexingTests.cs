using Microsoft.Extensions.DependencyInjection;
using RagPlatform.Contracts;
using RagPlatform.IndexingWorker.Chunking;
using RagPlatform.IndexingWorker.Indexing;
using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

public sealed class IndexingTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private static string Text(int paragraphs, int seed = 1)
    {
        var random = new Random(seed);
        return string.Join("\n\n", Enumerable.Range(0, paragraphs).Select(p => string.Join(
            ' ', Enumerable.Range(0, 5).Select(_ => $"Sentence {random.Next()} of paragraph {p} says {random.Next()} and also {random.Next()}."))));
    }

    private static List<string> Expected(string text) => [.. new Chunker(new("markdown", 1200, 200)).Split(text).Select(p => p.Text)];

    [Fact]
    public async Task Put_NewChangedAndDeletedDocuments_IndexFollows()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "follows");
        var text = Text(40);
        await workspace.PutAsync(("a", text), ("b", "A short one."), ("c", "Another one."));
        await WorkerHost.WaitUntilIdleAsync(database);

        Assert.Equal(Expected(text), await workspace.ReadIndexAsync("a"));
        Assert.Equal(["A short one."], await workspace.ReadIndexAsync("b"));
        var embedded = worker.Embedded.Count;
        Assert.Equal(Expected(text).Count + 2, embedded);

        // An edit costs what changed, a deletion leaves nothing, and of an emptied document there is its title.
        var edited = text.Replace("of paragraph 20 says", "of the twentieth paragraph says", StringComparison.Ordinal);
        await workspace.PutAsync(("a", edited), ("b", ""));
        await workspace.DeleteAsync("c");
        await WorkerHost.WaitUntilIdleAsync(database);

        Assert.Equal(Expected(edited), await workspace.ReadIndexAsync("a"));
        Assert.InRange(worker.Embedded.Count - embedded, 1, 3);
        Assert.Equal(Expected(edited).Count + 1, await workspace.CountAsync("chunks"));
        Assert.Equal(Expected(edited).Count + 1, await workspace.CountAsync(workspace.Space.VectorTable));
        Assert.Equal(2, await workspace.CountAsync("indexed_documents"));
    }

    [Fact]
    public async Task Put_TitleWithoutText_IsThePassageUntilThereIsAText()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "titles");
        var documents = new DocumentStore(database.DataSource);
        foreach (var (title, text, expected) in new[]
        {
            ("Holiday calendar", " \n", new[] { "Holiday calendar" }), ("Calendar of holidays", " \n", ["Calendar of holidays"]),
            ("Calendar of holidays", "May 1", ["May 1"]), ("Holidays", "May 1", ["May 1"]), ("", "", []),
        })
        {
            await documents.PutAsync(workspace.Id, [new("a", title, text, "{}", 1)], TestContext.Current.CancellationToken);
            await WorkerHost.WaitUntilIdleAsync(database);

            Assert.Equal(expected, await workspace.ReadIndexAsync("a"));
        }
    }

    [Fact]
    public async Task Put_TextThatRepeatsItself_OneEmbeddingForEachText()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "repeats", strategy: "fixed");
        var text = string.Concat(Enumerable.Repeat("abcd efgh ", 1000));
        await workspace.PutAsync(("a", text));
        await WorkerHost.WaitUntilIdleAsync(database);
        var before = await workspace.ReadIndexAsync("a");
        await workspace.PutAsync(("a", text + text));
        await WorkerHost.WaitUntilIdleAsync(database);
        var after = await workspace.ReadIndexAsync("a");

        Assert.True(after.Count > before.Count && before.Count > 3);
        Assert.Equal(after.Concat(before).Distinct().Count(), worker.Embedded.Count);
    }

    [Fact]
    public async Task Put_TextThatTheProviderRefuses_OnlyItsDocumentIsDeadLettered()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        worker.BeforeAnswer = texts => texts.Any(t => t.Contains("MARKER", StringComparison.Ordinal))
            ? throw new EmbeddingGatewayException(400, "The provider refused a text.")
            : Task.CompletedTask;
        var workspace = await TestWorkspace.CreateAsync(database, "refused");
        await workspace.PutAsync([.. Enumerable.Range(0, 300).Select(i => ($"d{i:000}", i % 100 == 7 ? $"Bad MARKER {i}." : $"Good {i}."))]);
        await WorkerHost.WaitUntilIdleAsync(database);

        Assert.Equal(297, await workspace.CountAsync("chunks"));
        Assert.Equal(3, await workspace.CountAsync("dead_letters"));
        var status = (await new IndexingStatusStore(database.DataSource).FindDocumentAsync(
            workspace.Id, "d107", TestContext.Current.CancellationToken))!;
        Assert.Equal(DocumentState.DeadLettered, status.State);
        Assert.Equal(["text", "text", "text"], status.Attempts.Select(a => a.Cause));
        Assert.Contains("refused", status.Attempts[0].Message, StringComparison.Ordinal);

        // A new text takes it from the dead letters.
        await workspace.PutAsync(("d107", "Good again."));
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.Equal(["Good again."], await workspace.ReadIndexAsync("d107"));
        Assert.Equal(2, await workspace.CountAsync("dead_letters"));
    }

    [Fact]
    public async Task Put_TextThatMakesTheProviderFail_OnlyItsDocumentIsDeadLettered()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        worker.BeforeAnswer = texts => texts.Any(t => t.Contains("MARKER", StringComparison.Ordinal))
            ? throw new EmbeddingGatewayException(503, "The provider failed.") { Code = EmbeddingGatewayException.ProviderUnavailable }
            : Task.CompletedTask;
        var workspace = await TestWorkspace.CreateAsync(database, "fails");
        await workspace.PutAsync([.. Enumerable.Range(0, 50).Select(i => ($"d{i:000}", i == 7 ? $"Bad MARKER {i}." : $"Good {i}."))]);
        await WorkerHost.WaitUntilIdleAsync(database);

        Assert.Equal(49, await workspace.CountAsync("chunks"));
        Assert.Equal(1, await workspace.CountAsync("dead_letters"));
    }

    [Fact]
    public async Task Put_BudgetOfOneWorkspaceIsSpent_ItsTaskRestsWithTheCauseUntilTheBudgetIsChangedAndOthersGoOn()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var (spent, reset) = (true, DateTimeOffset.UtcNow.AddHours(9));
        worker.BeforeAnswer = texts => spent && texts.Any(t => t.Contains("POOR", StringComparison.Ordinal))
            ? throw new EmbeddingGatewayException(429, "The budget is used up.") { Code = EmbeddingGatewayException.InsufficientQuota, ResetsAt = reset }
            : Task.CompletedTask;
        var cancellationToken = TestContext.Current.CancellationToken;
        var (poor, other) = (await TestWorkspace.CreateAsync(database, "poor", 24), await TestWorkspace.CreateAsync(database, "unconcerned", 24));
        await WorkerHost.ExecuteAsync(database, """
            INSERT INTO embedding_budgets (workspace, period, hard, limit_tokens, period_start) VALUES ('poor', 'day', true, 1, current_date)
            """);
        await poor.PutAsync([.. Enumerable.Range(0, 20).Select(i => ($"d{i}", $"POOR {i}."))]);
        await other.PutAsync([.. Enumerable.Range(0, 20).Select(i => ($"d{i}", $"Rich {i}."))]);
        var rests = new WorkspaceRestStore(database.DataSource);
        await WorkerHost.WaitUntilAsync(async () => await other.CountAsync("tasks") == 0 && (await rests.ListAsync(poor.Id, cancellationToken)).Count > 0);

        var rest = Assert.Single(await rests.ListAsync(poor.Id, cancellationToken));
        Assert.Equal(("budget", "The budget is used up.", poor.Space.Id), (rest.Cause, rest.Message, rest.Space));
        Assert.Empty(await rests.ListAsync(other.Id, cancellationToken));
        Assert.Equal(20, await poor.CountAsync("tasks"));
        Assert.Equal(0, await WorkerHost.QueryAsync<long>(database, $"SELECT sum(attempts) FROM tasks WHERE workspace_id = {poor.Id}"));

        // What is spent changes nothing; a limit that is raised does, without waiting for the rest to end.
        await WorkerHost.ExecuteAsync(database, "UPDATE embedding_budgets SET spent_tokens = 1 WHERE workspace = 'poor'");
        Assert.Single(await rests.ListAsync(poor.Id, cancellationToken));
        spent = false;
        await WorkerHost.ExecuteAsync(database, "UPDATE embedding_budgets SET limit_tokens = 100000 WHERE workspace = 'poor'");
        await WorkerHost.WaitUntilIdleAsync(database, seconds: 10);
        Assert.Equal(20, await poor.CountAsync("chunks"));
        Assert.Empty(await rests.ListAsync(poor.Id, cancellationToken));
    }

    [Fact]
    public async Task Put_ProviderOfOneSpaceNeverAnswers_AnotherSpaceIsIndexed()
    {
        await using var worker = await WorkerHost.StartAsync(database, ("Indexing:DocumentsInWork", "16"), ("Indexing:ClaimSize", "16"));
        var never = new TaskCompletionSource();
        worker.BeforeAnswer = texts => texts.Any(t => t.Contains("DEAD", StringComparison.Ordinal)) ? never.Task : Task.CompletedTask;
        var (dead, alive) = (await TestWorkspace.CreateAsync(database, "dead", 32), await TestWorkspace.CreateAsync(database, "alive"));
        await dead.PutAsync([.. Enumerable.Range(0, 100).Select(i => ($"d{i}", $"DEAD {i}."))]);
        await WorkerHost.WaitUntilAsync(async () => await WorkerHost.QueryAsync<long>(database, "SELECT count(*) FROM tasks WHERE lease_owner IS NOT NULL") >= 16);
        await alive.PutAsync(("d", "Alive."));

        await WorkerHost.WaitUntilAsync(async () => await alive.CountAsync("tasks") == 0);
        never.SetResult();
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.Equal(100, await dead.CountAsync("chunks"));
    }

    [Fact]
    public async Task Put_EmbeddingServiceAwayForAWhile_NoAttemptIsLost()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var failures = 0;
        worker.BeforeAnswer = _ => Interlocked.Increment(ref failures) <= 20
            ? throw new EmbeddingGatewayException(0, "Connection refused.")
            : Task.CompletedTask;
        var workspace = await TestWorkspace.CreateAsync(database, "away");
        await workspace.PutAsync([.. Enumerable.Range(0, 100).Select(i => ($"d{i:000}", $"Text {i}."))]);
        await WorkerHost.WaitUntilIdleAsync(database, seconds: 60);

        Assert.True(failures > 20);
        Assert.Equal(100, await workspace.CountAsync("chunks"));
        Assert.Equal(0, await workspace.CountAsync("dead_letters"));
    }

    [Fact]
    public async Task Put_TextThatTheDatabaseAlwaysTakesTooLongFor_IsDeadLetteredAndOthersAreIndexed()
    {
        await WorkerHost.ExecuteAsync(database, """
            CREATE FUNCTION too_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'canceling statement' USING ERRCODE = '57014'; END $$;
            CREATE TRIGGER too_slow BEFORE INSERT ON chunks FOR EACH ROW WHEN (NEW.text LIKE '%TOO SLOW%') EXECUTE FUNCTION too_slow()
            """);
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "too_slow");

        await workspace.PutAsync(("a", "One."), ("b", "TOO SLOW."), ("c", "Three."));
        await WorkerHost.WaitUntilIdleAsync(database, seconds: 30);

        Assert.Equal(2, await workspace.CountAsync("chunks"));
        Assert.Equal(1, await workspace.CountAsync("dead_letters"));
        Assert.Equal("timeout", await WorkerHost.QueryAsync<string>(database, $"SELECT cause FROM dead_letters WHERE workspace_id = {workspace.Id}"));
    }

    [Fact]
    public async Task Put_DocumentOfHundredsOfPassages_IsVisibleAtOnceThoughItIsWrittenInParts()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "large_document");
        await workspace.PutPreparedAsync("large", "", [.. Enumerable.Range(0, 450).Select(i => ($"Passage {i}.", (float[]?)null))]);

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var seen = new HashSet<long>();
        while (!seen.Contains(450))
        {
            seen.Add(await workspace.CountAsync("chunks"));
            limit.Token.ThrowIfCancellationRequested();
        }

        Assert.Subset(new HashSet<long> { 0, 450 }, seen);
        Assert.Equal(450, await WorkerHost.QueryAsync<long>(database, $"SELECT count(*) FROM {workspace.Space.VectorTable} WHERE workspace_id = {workspace.Id}"));
    }

    [Fact]
    public async Task Put_ChangedWhileItIsInWork_TheNewTextWins()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var (arrived, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        worker.BeforeAnswer = texts =>
        {
            arrived.TrySetResult();
            return texts.Contains("Old.") ? go.Task : Task.CompletedTask;
        };
        var workspace = await TestWorkspace.CreateAsync(database, "changed");
        await workspace.PutAsync(("a", "Old."));
        await arrived.Task.WaitAsync(TestContext.Current.CancellationToken);
        await workspace.PutAsync(("a", "New."));
        await WorkerHost.WaitUntilIdleAsync(database);
        go.SetResult();

        await worker.StopAsync();
        Assert.Equal(["New."], await workspace.ReadIndexAsync("a"));
        Assert.Equal(0, await workspace.CountAsync("tasks"));
    }

    [Fact]
    public async Task Stop_WorkInHand_IsFinishedOrGivenBack()
    {
        var workspace = await TestWorkspace.CreateAsync(database, "stops");
        await using (var worker = await WorkerHost.StartAsync(database, ("Indexing:StopTimeout", "00:00:00.200")))
        {
            var arrived = new TaskCompletionSource();
            worker.BeforeAnswer = _ =>
            {
                arrived.TrySetResult();
                return Task.Delay(Timeout.Infinite);
            };
            await workspace.PutAsync(("a", "One."), ("b", "Two."));
            await arrived.Task.WaitAsync(TestContext.Current.CancellationToken);
            await worker.StopAsync();
        }

        Assert.Equal(2, await WorkerHost.QueryAsync<long>(
            database, $"SELECT count(*) FROM tasks WHERE workspace_id = {workspace.Id} AND lease_owner IS NULL AND visible_at <= now()"));
        await using var next = await WorkerHost.StartAsync(database);
        await WorkerHost.WaitUntilIdleAsync(database);
        Assert.Equal(2, await workspace.CountAsync("chunks"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Pause_OrCancel_TextsAreBeingEmbedded_WorkerLetsGoOfThemAndWritesNothing(bool pause)
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, pause ? "stopped" : "cancelled");
        var other = await TestWorkspace.CreateAsync(database, pause ? "not_stopped" : "not_cancelled");
        var (arrived, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        worker.BeforeAnswer = texts =>
        {
            arrived.TrySetResult();
            return texts.Contains("Goes on.") ? Task.CompletedTask : go.Task;
        };
        await workspace.PutAsync(("a", "One."), ("b", "Two."));
        await arrived.Task.WaitAsync(TestContext.Current.CancellationToken);
        var control = worker.Services.GetRequiredService<IndexingControlStore>();
        if (pause)
        {
            await control.PauseAsync(workspace.Id, TestContext.Current.CancellationToken);
        }
        else
        {
            Assert.Equal((2, 2), await control.CancelAsync(workspace.Id, TestContext.Current.CancellationToken));
        }

        // The provider has not answered yet: the worker does not wait for it.
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (worker.Services.GetRequiredService<TasksInWork>().Count > 0)
        {
            await Task.Delay(10, limit.Token);
        }

        // What comes later from another workspace is done meanwhile, and the answer that comes at last is written nowhere.
        await other.PutAsync(("c", "Goes on."));
        while (await other.CountAsync("chunks") == 0)
        {
            await Task.Delay(10, limit.Token);
        }

        go.SetResult();
        Assert.Equal(0, await workspace.CountAsync("chunks"));
        Assert.Equal(pause ? 2 : 0, await workspace.CountAsync("tasks"));
        if (pause)
        {
            await control.ResumeAsync(workspace.Id, TestContext.Current.CancellationToken);
            await WorkerHost.WaitUntilIdleAsync(database);
            Assert.Equal(2, await workspace.CountAsync("chunks"));
        }
    }

    [Fact]
    public async Task Maintenance_EnoughVectors_IndexIsBuiltAndDeletedWorkspaceIsPurged()
    {
        await using var worker = await WorkerHost.StartAsync(database, ("Indexing:HnswMinRows", "50"));
        var workspace = await TestWorkspace.CreateAsync(database, "maintained", dimensions: 12);
        await workspace.PutAsync([.. Enumerable.Range(0, 60).Select(i => ($"d{i:000}", $"Text {i}."))]);
        await WorkerHost.WaitUntilIdleAsync(database);
        var built = $"SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('{workspace.Space.VectorTable}_hnsw')";
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (await WorkerHost.QueryAsync<long>(database, built) == 0)
        {
            await Task.Delay(20, limit.Token);
        }

        await new WorkspaceStore(database.DataSource).DeleteAsync(workspace.Name, TestContext.Current.CancellationToken);
        while (await workspace.CountAsync("workspaces") > 0)
        {
            await Task.Delay(20, limit.Token);
        }

        Assert.Equal(0, await workspace.CountAsync(workspace.Space.VectorTable));
    }

    [Fact]
    public async Task Maintenance_NewChunks_KeywordIndexIsFolded()
    {
        await using var worker = await WorkerHost.StartAsync(database);
        var workspace = await TestWorkspace.CreateAsync(database, "folded");
        await workspace.PutAsync(("a", "Words to be found."), ("b", "Other words."));
        await WorkerHost.WaitUntilIdleAsync(database);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (await workspace.CountAsync("lexical_delta") > 0)
        {
            await Task.Delay(20, limit.Token);
        }

        Assert.True(await workspace.CountAsync("lexical_blocks") >= 3);
    }
}
