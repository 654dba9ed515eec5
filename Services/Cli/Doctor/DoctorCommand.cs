using System.CommandLine;
using System.Net;
using System.Text.Json;
using RagPlatform.Contracts;

namespace RagPlatform.Cli.Doctor;

/// <summary><c>rag doctor</c>: proves that documents, chunks, vectors and routes agree.</summary>
internal static class DoctorCommand
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>Makes the command.</summary>
    public static Command Create(CliContext context)
    {
        var workspace = new Option<string?>("--workspace", "-w") { Description = "Check one workspace.", HelpName = "NAME" };
        var repair = new Option<bool>("--repair") { Description = "Mend what is found; the workers index what was affected." };
        var json = new Option<bool>("--json") { Description = "Print the report as JSON." };
        var command = new Command("doctor", "Check that documents, chunks, vectors and routes agree. Exits with 1 when they do not.")
        {
            workspace, repair, json,
        };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var report = await CheckAsync(
                context, context.Connect(parse), new(parse.GetValue(workspace), parse.GetValue(repair)), cancellationToken).ConfigureAwait(false);
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

    // A worker does it; how long that takes depends on how much there is to read.
    private static async Task<DoctorReport> CheckAsync(
        CliContext context, RagClient client, DoctorRequest request, CancellationToken cancellationToken)
    {
        var time = context.Environment.Time;
        var begin = time.GetTimestamp();
        var hinted = false;
        try
        {
            var check = await client.RequestDoctorCheckAsync(request, cancellationToken).ConfigureAwait(false);
            while (check.Report is null)
            {
                if (check.State == DoctorCheckState.Failed)
                {
                    throw new CliException($"the index could not be checked: {check.Error}");
                }

                if (!hinted && check.State == DoctorCheckState.Queued && time.GetElapsedTime(begin) > s_patience)
                {
                    hinted = true;
                    await context.Environment.Error.WriteLineAsync("No indexing worker has taken the check yet: does one run?").ConfigureAwait(false);
                }

                await Task.Delay(s_pause, time, cancellationToken).ConfigureAwait(false);
                check = await client.FindDoctorCheckAsync(check.Id, cancellationToken).ConfigureAwait(false)
                    ?? throw new CliException("the check is gone: its workspace was deleted.");
            }

            return check.Report;
        }
        catch (RagApiException e) when (e.Status is HttpStatusCode.Forbidden)
        {
            throw new CliException("the doctor needs the admin key: --key, --key-file or RAG_API_KEY.");
        }
        catch (RagApiException e) when (e.Status is HttpStatusCode.NotFound)
        {
            throw new CliException($"there is no workspace '{request.Workspace}'. 'rag workspace list' shows what there is.");
        }
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
