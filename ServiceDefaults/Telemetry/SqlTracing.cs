using System.Diagnostics;
using Npgsql;

namespace RagPlatform.ServiceDefaults.Telemetry;

/// <summary>
/// Which statements are spans, and what they are called. A statement outside any trace has none: leases, listening and looking for work
/// would bury the traces of requests under thousands of single spans.
/// </summary>
internal static class SqlTracing
{
    /// <summary>Statements of one batch that its span names; the others are counted.</summary>
    private const int NamesOfABatch = 3;

    /// <summary>Configures a data source's spans.</summary>
    /// <param name="tracing">The data source's tracing.</param>
    /// <param name="name">Names a statement; null where it cannot tell.</param>
    public static void Configure(NpgsqlTracingOptionsBuilder tracing, Func<string, string?>? name)
    {
        tracing
            .EnableFirstResponseEvent(false)
            .EnablePhysicalOpenTracing(false)
            .ConfigureCommandFilter(_ => Activity.Current is not null)
            .ConfigureBatchFilter(_ => Activity.Current is not null)
            .ConfigureCopyOperationFilter(_ => Activity.Current is not null);
        if (name is null)
        {
            return;
        }

        tracing
            .ConfigureCommandSpanNameProvider(command => name(command.CommandText))
            .ConfigureBatchSpanNameProvider(batch => NameBatch(batch.BatchCommands.Cast<NpgsqlBatchCommand>().Select(command => name(command.CommandText))))
            .ConfigureCopyOperationSpanNameProvider(name);
    }

    /// <summary>"A, B, C and 4 more": names in the order in which they are sent, each once.</summary>
    internal static string? NameBatch(IEnumerable<string?> statements)
    {
        var names = statements.OfType<string>().Distinct(StringComparer.Ordinal).ToList();
        return names.Count switch
        {
            0 => null,
            <= NamesOfABatch => string.Join(", ", names),
            _ => $"{string.Join(", ", names.Take(NamesOfABatch))} and {names.Count - NamesOfABatch} more",
        };
    }
}
