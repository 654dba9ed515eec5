using System.CommandLine;
using System.Text.Json;
using RagPlatform.Cli.Ingest;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Transfer;

/// <summary><c>rag import FILE --workspace W</c>: puts what <c>rag export</c> has written.</summary>
internal static class ImportCommand
{
    private const int MaxBatch = 100;

    // A request takes 32 MiB; a character has up to three bytes.
    private const int MaxBatchLength = 8_000_000;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var file = new Argument<string>("file") { Description = "A file of rag export." };
        var workspace = WorkspaceOptions.Name(context);
        var command = new Command(
            "import", "Put exported documents into a workspace. Vectors of the workspace's own space are taken over, others are computed anew.")
        {
            file, workspace,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var (client, name) = (context.Connect(parse, patient: true), parse.GetRequiredValue(workspace));
            var path = context.Environment.FullPath(parse.GetRequiredValue(file));
            if (!File.Exists(path))
            {
                throw new CliException($"there is no file '{path}'.");
            }

            var target = await client.FindWorkspaceAsync(name, cancellationToken).ConfigureAwait(false)
                ?? throw new CliException($"there is no workspace '{name}': rag workspace create {name} makes it.");
            var (documents, foreign) = await ImportAsync(client, target, path, cancellationToken).ConfigureAwait(false);
            var indexing = await new IndexingWait(client, context.Environment.Time).WaitAsync(name, new IngestProgress(0), cancellationToken)
                .ConfigureAwait(false);
            var output = context.Environment.Output;
            await output.WriteLineAsync(
                $"{Quantity.Of(documents, "document")} put"
                + (foreign > 0 ? $"; for {Quantity.Of(foreign, "document")} the vectors were of another space, and are computed anew." : ".")).ConfigureAwait(false);
            if (indexing.DeadLettered > 0)
            {
                await output.WriteLineAsync($"{Quantity.Of(indexing.DeadLettered, "document")} could not be indexed: rag dead-letters list -w {name}")
                    .ConfigureAwait(false);
                return ExitCode.Failure;
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<(int Documents, int Foreign)> ImportAsync(
        RagClient client, Workspace target, string path, CancellationToken cancellationToken)
    {
        var (number, documents, foreign, length) = (0, 0, 0, 0);
        var batch = new List<BatchDocument>();
        await foreach (var line in File.ReadLinesAsync(path, cancellationToken).ConfigureAwait(false))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            var (space, document) = Read(line, path, number);
            if (space != target.Space && document.Chunks is { } chunks)
            {
                document = document with { Chunks = [.. chunks.Select(c => c with { Vector = null })] };
                foreign++;
            }

            if (batch.Count == MaxBatch || (batch.Count > 0 && length + line.Length > MaxBatchLength))
            {
                await PutAsync().ConfigureAwait(false);
            }

            batch.Add(document);
            length += line.Length;
        }

        await PutAsync().ConfigureAwait(false);
        return (documents, foreign);

        async Task PutAsync()
        {
            if (batch.Count > 0)
            {
                await client.PutDocumentsAsync(target.Name, batch, null, cancellationToken).ConfigureAwait(false);
                documents += batch.Count;
                batch.Clear();
                length = 0;
            }
        }
    }

    private static ExportedLine Read(string line, string path, int number)
    {
        try
        {
            if (JsonSerializer.Deserialize<ExportedLine>(line, RagJson.Options) is { Document: not null, Space: not null } read)
            {
                return read;
            }
        }
        catch (JsonException e)
        {
            throw new CliException($"line {number} of '{path}' was not written by rag export; the lines before it were put.", e);
        }

        throw new CliException($"line {number} of '{path}' was not written by rag export; the lines before it were put.");
    }
}
