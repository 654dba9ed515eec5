using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using RagPlatform.Contracts;
using RagPlatform.SearchApi.Problems;
using RagPlatform.SearchApi.Reference;
using RagPlatform.Storage;

namespace RagPlatform.SearchApi.Operations;

/// <summary>
/// Checks of the index. A check reads everything, which takes longer than a request may: it is a row that a worker takes, and whose report stays.
/// </summary>
internal static class DoctorEndpoints
{
    /// <summary>Maps them on the group <c>/v1</c>, which needs the admin key.</summary>
    public static RouteGroupBuilder MapDoctor(this RouteGroupBuilder group)
    {
        var doctor = group.MapGroup("/indexing").WithTags("Operations");
        doctor.MapPost("/doctor", RequestAsync)
            .WithName("RequestDoctorCheck")
            .WithSummary("Check that documents, chunks, vectors and routes agree")
            .WithDescription("Answers at once with the check, which a worker does: its report is in GET doctor-checks/{checkId}. With repair what is found is mended.")
            .WithMetadata(new RequestExampleAttribute("""{"workspace":"docs","repair":false}"""));
        doctor.MapGet("/doctor-checks", ListAsync)
            .WithName("ListDoctorChecks")
            .WithSummary("Checks of the last 30 days with their reports, newest first, at most 20");
        doctor.MapGet("/doctor-checks/{checkId:long}", FindAsync)
            .WithName("GetDoctorCheck")
            .WithSummary("How far a check is, and what it found");
        return group;
    }

    internal static async Task<Results<Accepted<DoctorCheck>, ProblemHttpResult>> RequestAsync(
        DoctorRequest request, DoctorCheckStore checks, CancellationToken cancellationToken) =>
        await checks.RequestAsync(request.Workspace, request.Repair, cancellationToken) is { } id
            && await checks.FindAsync(id, cancellationToken) is { } check
            ? TypedResults.Accepted(string.Create(CultureInfo.InvariantCulture, $"/v1/indexing/doctor-checks/{id}"), ToContract(check))
            : ApiProblems.NotFound("workspace", request.Workspace ?? "");

    internal static async Task<Ok<Page<DoctorCheck>>> ListAsync(DoctorCheckStore checks, CancellationToken cancellationToken) =>
        TypedResults.Ok(new Page<DoctorCheck>([.. (await checks.ListAsync(cancellationToken)).Select(ToContract)], null));

    internal static async Task<Results<Ok<DoctorCheck>, ProblemHttpResult>> FindAsync(
        long checkId, DoctorCheckStore checks, CancellationToken cancellationToken) =>
        await checks.FindAsync(checkId, cancellationToken) is { } check
            ? TypedResults.Ok(ToContract(check))
            : ApiProblems.NotFound("check", checkId.ToString(CultureInfo.InvariantCulture));

    private static DoctorCheck ToContract(DoctorCheckRow check) => new(
        check.CheckId,
        check.Workspace,
        check.Repair,
        check.Scheduled,
        check.Report is not null ? DoctorCheckState.Done
            : check.FinishedAt is not null ? DoctorCheckState.Failed
            : check.Running ? DoctorCheckState.Running
            : DoctorCheckState.Queued,
        check.RequestedAt,
        check.FinishedAt,
        check.Report is null ? null : JsonSerializer.Deserialize<DoctorReport>(check.Report, RagJson.Options),
        check.Error);
}
