using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using RagPlatform.Cli.Workspaces;
using RagPlatform.Contracts;
using Spectre.Console;

namespace RagPlatform.Cli.Status;

/// <summary><c>rag status [--workspace W] [--watch]</c>.</summary>
internal static class StatusCommand
{
    private const int MostWorkspaces = 200;

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var workspace = new Option<string?>("--workspace", "-w") { Description = "Only this workspace; else all.", HelpName = "NAME" };
        var watch = new Option<bool>("--watch") { Description = "Go on until nothing is left to index, with rate and remaining time." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object for each workspace." };
        var command = new Command("status", "Show where workspaces stand.") { workspace, watch, json };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var client = context.Connect(parse, patient: parse.GetValue(watch));
            var reader = new StatusReader(client, context.Environment.Time, parse.GetValue(workspace), MostWorkspaces);
            if (parse.GetValue(watch))
            {
                await StatusWatch.RunAsync(context.Environment, reader, cancellationToken);
                return;
            }

            var rows = await reader.ReadAsync(cancellationToken);
            if (parse.GetValue(json))
            {
                foreach (var row in rows)
                {
                    context.Environment.Output.WriteLine(
                        JsonSerializer.Serialize(new { workspace = row.Workspace, indexing = row.Indexing }, RagJson.Options));
                }
            }
            else if (rows.Count == 0)
            {
                context.Environment.Output.WriteLine("There is no workspace yet: rag ingest PATH --workspace NAME makes one.");
            }
            else
            {
                context.Environment.OutputConsole().Write(ToTable(rows, context.Environment.Time.GetUtcNow()));
                if (rows.Count == MostWorkspaces)
                {
                    context.Environment.Error.WriteLine($"The first {MostWorkspaces} workspaces; --workspace shows any other.");
                }
            }
        });
        return command;
    }

    /// <summary>The rows as a table.</summary>
    public static Table ToTable(IReadOnlyList<StatusRow> rows, DateTimeOffset now)
    {
        // Columns that would be empty are left out.
        var waiting = rows.Any(row => row.Indexing.OldestQueuedAt is not null);
        var moving = rows.Any(row => row.Rate is not null);
        var table = new Table().Border(TableBorder.Simple).AddColumn("workspace").AddColumn("model");
        string[] columns =
        [
            "documents", "passages", "queued", "retrying", "dead",
            .. (string[])(waiting ? ["oldest waits"] : []),
            .. (string[])(moving ? ["rate", "left"] : []),
        ];
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        foreach (var row in rows)
        {
            var indexing = row.Indexing;
            List<string> cells =
            [
                Markup.Escape(row.Workspace),
                Markup.Escape(row.Model),
                Number(indexing.Documents),
                Number(indexing.Chunks),
                Number(indexing.Queued),
                indexing.Retrying > 0 ? $"[yellow]{Number(indexing.Retrying)}[/]" : "0",
                indexing.DeadLettered > 0 ? $"[red]{Number(indexing.DeadLettered)}[/]" : "0",
            ];
            if (waiting)
            {
                cells.Add(indexing.OldestQueuedAt is { } oldest ? Duration(now - oldest) : "");
            }

            if (moving)
            {
                cells.Add(row.Rate is { } rate ? string.Create(CultureInfo.InvariantCulture, $"{rate:0.#}/s") : "");
                cells.Add(row.Left is { } left ? Duration(left) : "");
            }

            table.AddRow([.. cells]);
        }

        return table;
    }

    /// <summary>A duration as people say it: 12 s, 3 min, 2 h.</summary>
    internal static string Duration(TimeSpan time) => time.TotalSeconds switch
    {
        < 0 => "0 s",
        < 100 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        < 6000 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} h"),
    };

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
