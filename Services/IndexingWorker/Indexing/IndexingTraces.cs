using System.Diagnostics;
using RagPlatform.Storage;

namespace RagPlatform.IndexingWorker.Indexing;

/// <summary>
/// Spans of indexing. A document's indexing is a trace of its own, which may begin long after the request that put the document, and is linked to it. What
/// several documents share, a request for vectors or a transaction, is in the trace of the first of them, and linked to the others.
/// </summary>
internal static class IndexingTraces
{
    /// <summary>The name of the source.</summary>
    public const string SourceName = "RagPlatform.IndexingWorker";

    // A transaction has up to 128 documents; a reader of a trace does not follow so many links.
    private const int MaxLinks = 32;

    private static readonly ActivitySource s_source = new(SourceName);

    /// <summary>The context of whoever asks, to be kept with what is shared with others.</summary>
    public static ActivityContext Current => Activity.Current?.Context ?? default;

    /// <summary>Begins the trace of a document's indexing.</summary>
    public static Activity? BeginDocument(IndexSource source)
    {
        if (!s_source.HasListeners())
        {
            return null;
        }

        Activity.Current = null;
        var put = ActivityContext.TryParse(source.TraceParent, null, isRemote: true, out var context) ? [new ActivityLink(context)] : (ActivityLink[])[];
        return s_source.StartActivity(
            "index document",
            ActivityKind.Consumer,
            parentContext: default,
            tags:
            [
                new("rag.workspace", source.Workspace),
                new("rag.document.id", source.Task.DocumentId),
                new("rag.document.revision", source.Task.Version),
                new("rag.space", source.Space.Id),
                new("rag.task.attempt", source.Task.Attempts + 1),
            ],
            put);
    }

    /// <summary>Begins a step of the document at hand.</summary>
    public static Activity? Begin(string step) => Activity.Current is null ? null : s_source.StartActivity(step);

    /// <summary>Begins what several documents share.</summary>
    /// <param name="step">Its name.</param>
    /// <param name="documents">The contexts of the documents' traces, as <see cref="Current"/> was for each.</param>
    public static Activity? BeginShared(string step, IEnumerable<ActivityContext> documents)
    {
        // It was started by whoever happened to be there.
        Activity.Current = null;
        var contexts = s_source.HasListeners() ? documents.Where(context => context != default).Distinct().Take(1 + MaxLinks).ToList() : [];
        return contexts.Count == 0
            ? null
            : s_source.StartActivity(
                step, ActivityKind.Internal, contexts[0], links: contexts.Skip(1).Select(context => new ActivityLink(context)));
    }

    /// <summary>Says that it failed, without any text of the document.</summary>
    public static void Fail(this Activity? activity, Exception failure) =>
        activity?.SetStatus(ActivityStatusCode.Error).SetTag("error.type", failure is DocumentFailedException e ? e.Cause : failure.GetType().Name);
}
