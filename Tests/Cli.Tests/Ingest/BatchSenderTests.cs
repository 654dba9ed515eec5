using System.Net;
using RagPlatform.Cli.Ingest;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Tests.Ingest;

public sealed class BatchSenderTests
{
    private readonly List<int> _sizes = [];

    [Fact]
    public async Task Send_ApiNamesDocuments_SendsTheOthersAgain()
    {
        var outcome = await SendAsync(Documents("a", "bad1", "b", "bad2"), nameThem: true);

        Assert.Equal(["a", "b"], outcome.Written.Select(w => w.Id));
        Assert.Equal([new Refusal("bad1", "text: It is bad."), new Refusal("bad2", "text: It is bad.")], outcome.Refused);
        Assert.Equal([4, 2], _sizes);
    }

    [Fact]
    public async Task Send_ApiNamesNone_FindsTheBadOneByHalving()
    {
        var outcome = await SendAsync(Documents("a", "b", "c", "d", "e", "bad", "f", "g"), nameThem: false);

        Assert.Equal(["a", "b", "c", "d", "e", "f", "g"], outcome.Written.Select(w => w.Id));
        Assert.Equal("bad", Assert.Single(outcome.Refused).Document);
        Assert.Equal([8, 4, 4, 2, 1, 1, 2], _sizes);
    }

    [Fact]
    public async Task Send_AllRefused_SendsNothingEmpty()
    {
        var outcome = await SendAsync(Documents("bad1", "bad2"), nameThem: true);

        Assert.Empty(outcome.Written);
        Assert.Equal([2], _sizes);
    }

    [Fact]
    public async Task Send_AnotherError_IsThrown()
    {
        var sender = new BatchSender((_, _) => throw new RagApiException(HttpStatusCode.NotFound, "There is no workspace 'w'.", new Dictionary<string, string[]>()));

        await Assert.ThrowsAsync<RagApiException>(() => sender.SendAsync(Documents("a", "b"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Named_Errors_AreReadByIndex()
    {
        var named = BatchSender.Named(
            new Dictionary<string, string[]>
            {
                ["documents[2].id"] = ["Too long.", "Has a control character."],
                ["$.documents[0]"] = ["Not an object."],
                ["Documents[2].Title"] = ["Too long."],
                ["documents[7].id"] = ["Beyond the batch."],
                ["documents"] = ["Names none."],
            },
            count: 3);

        Assert.Equal([0, 2], named.Keys);
        Assert.Equal("Not an object.", named[0]);
        Assert.Equal("id: Too long. Has a control character. Title: Too long.", named[2]);
    }

    private Task<BatchOutcome> SendAsync(BatchDocument[] documents, bool nameThem)
    {
        var sender = new BatchSender((batch, _) =>
        {
            _sizes.Add(batch.Count);
            var bad = batch.Select((document, i) => (document, i)).Where(entry => entry.document.Id.StartsWith("bad", StringComparison.Ordinal)).ToArray();
            return bad.Length == 0
                ? Task.FromResult(new DocumentBatchResult([.. batch.Select(d => new DocumentWrite(d.Id, 1, IndexingState.Queued, true))]))
                : throw new RagApiException(
                    HttpStatusCode.BadRequest,
                    "The request is invalid.",
                    nameThem ? bad.ToDictionary(entry => $"documents[{entry.i}].text", _ => new[] { "It is bad." }) : []);
        });
        return sender.SendAsync(documents, TestContext.Current.CancellationToken);
    }

    private static BatchDocument[] Documents(params string[] ids) => [.. ids.Select(id => new BatchDocument(id, "text"))];
}
