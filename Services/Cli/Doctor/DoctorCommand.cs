using System.CommandLine;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using RagPlatform.Cli.Connections;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Doctor;

/// <summary><c>rag doctor</c>: proves that documents, chunks, vectors and routes agree.</summary>
internal static class DoctorCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var workspace = new Option<string?>("--workspace", "-w") { Description = "Check one workspace.", HelpName = "NAME" };
        var repair = new Option<bool>("--repair") { Description = "Mend what is found; the workers index what was affected." };
        var json = new Option<bool>("--json") { Description = "Print the report as JSON." };
        var url = new Option<string?>("--worker-url")
        {
            Description = "The indexing worker. Else RAG_WORKER_URL, else the local node's.",
            HelpName = "URL",
        };
        var command = new Command("doctor", "Check that documents, chunks, vectors and routes agree. Exits with 1 when they do not.")
        {
            workspace, repair, json, url,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var address = new ApiAddress(WorkerAddress.Find(context.Environment, parse.GetValue(url)), context.Address(parse).Key);
            using var http = context.CreateHttpClient(address);
            var report = await CheckAsync(http, parse.GetValue(workspace), parse.GetValue(repair), cancellationToken).ConfigureAwait(false);
            if (parse.GetValue(json))
            {
                await context.Environment.Output.WriteLineAsync(JsonSerializer.Serialize(report, RagJson.Options)).ConfigureAwait(false);
            }
            else
            {
                await PrintAsync(context.Environment.Output, report).ConfigureAwait(false);
            }

            return report.Healthy || report.Repaired ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static async Task<DoctorReport> CheckAsync(HttpClient http, string? workspace, bool repair, CancellationToken cancellationToken)
    {
        var query = $"admin/indexing/doctor?repair={(repair ? "true" : "false")}"
            + (workspace is null ? "" : "&workspace=" + Uri.EscapeDataString(workspace));
        using var response = await http.PostAsync(query, null, cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            throw new CliException(response.StatusCode switch
            {
                HttpStatusCode.NotFound => $"there is no workspace '{workspace}'.",
                HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => "the doctor needs the admin key: --key, --key-file or RAG_API_KEY.",
                _ => $"the worker answered {(int)response.StatusCode} {response.ReasonPhrase}.",
            });
        }

        return (await response.Content.ReadFromJsonAsync<DoctorReport>(RagJson.Options, cancellationToken).ConfigureAwait(false))!;
    }

    private static async Task PrintAsync(TextWriter output, DoctorReport report)
    {
        await output.WriteLineAsync(FormattableString.Invariant(
            $"{report.Documents} documents, {report.Chunks} chunks, {report.Vectors} vectors in {report.Buckets} buckets, checked in {report.Seconds:0.0} s."))
            .ConfigureAwait(false);
        if (report.Healthy)
        {
            await output.WriteLineAsync("They agree.").ConfigureAwait(false);
            return;
        }

        foreach (var (kind, count) in report.FaultsByKind.OrderByDescending(k => k.Value))
        {
            await output.WriteLineAsync($"{count,8} {kind}").ConfigureAwait(false);
        }

        foreach (var fault in report.Faults.Take(20))
        {
            await output.WriteLineAsync(
                $"  {fault.Kind}: workspace {fault.WorkspaceId}, document {fault.DocumentId ?? "?"}, chunk {fault.ChunkId?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "?"}, space {fault.Space ?? "?"}")
                .ConfigureAwait(false);
        }

        await output.WriteLineAsync(report.Repaired ? "Mended; the workers index what was affected." : "Nothing was changed. --repair mends it.")
            .ConfigureAwait(false);
    }
}
