using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Ingest;

/// <summary>What became of a batch.</summary>
/// <param name="Written">What was accepted.</param>
/// <param name="Refused">What was not, and why.</param>
internal sealed record BatchOutcome(IReadOnlyList<DocumentWrite> Written, IReadOnlyList<Refusal> Refused);

/// <summary>
/// Puts batches. A batch goes in as a whole or not at all, so when the API refuses one, the documents that it names (<c>documents[3].id</c>)
/// are taken out and the others sent again; when it names none, the batch is halved until the bad one stands alone.
/// </summary>
/// <param name="put">Puts documents in one transaction.</param>
internal sealed partial class BatchSender(
    Func<IReadOnlyList<BatchDocument>, CancellationToken, Task<DocumentBatchResult>> put)
{
    /// <summary>Sends a batch.</summary>
    /// <exception cref="RagApiException">The API refused for a reason that is not a document's.</exception>
    public async Task<BatchOutcome> SendAsync(IReadOnlyList<BatchDocument> documents, CancellationToken cancellationToken)
    {
        var written = new List<DocumentWrite>(documents.Count);
        var refused = new List<Refusal>();
        await SendAsync(documents, written, refused, cancellationToken);
        return new BatchOutcome(written, refused);
    }

    /// <summary>Which documents of a batch the API's errors name, and what they say.</summary>
    internal static SortedDictionary<int, string> Named(IReadOnlyDictionary<string, string[]> errors, int count)
    {
        var named = new SortedDictionary<int, string>();
        foreach (var (path, messages) in errors)
        {
            var match = DocumentPath().Match(path);
            if (match.Success
                && int.TryParse(match.Groups["index"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                && index < count)
            {
                var field = match.Groups["field"].Value;
                var message = (field.Length > 0 ? field + ": " : "") + string.Join(' ', messages);
                named[index] = named.TryGetValue(index, out var others) ? others + " " + message : message;
            }
        }

        return named;
    }

    private async Task SendAsync(
        IReadOnlyList<BatchDocument> documents, List<DocumentWrite> written, List<Refusal> refused, CancellationToken cancellationToken)
    {
        if (documents.Count == 0)
        {
            return;
        }

        try
        {
            written.AddRange((await put(documents, cancellationToken)).Documents);
        }
        catch (RagApiException e)
            when (e.Status is HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.UnprocessableEntity)
        {
            var named = Named(e.Errors, documents.Count);
            if (named.Count > 0)
            {
                refused.AddRange(named.Select(entry => new Refusal(documents[entry.Key].Id, entry.Value)));
                await SendAsync([.. documents.Where((_, i) => !named.ContainsKey(i))], written, refused, cancellationToken);
            }
            else if (documents.Count == 1)
            {
                refused.Add(new Refusal(documents[0].Id, e.Message));
            }
            else
            {
                var half = documents.Count / 2;
                await SendAsync([.. documents.Take(half)], written, refused, cancellationToken);
                await SendAsync([.. documents.Skip(half)], written, refused, cancellationToken);
            }
        }
    }

    [GeneratedRegex(@"^(\$\.)?documents\[(?<index>\d+)\]\.?(?<field>.*)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex DocumentPath();
}
