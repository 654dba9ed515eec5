using System.Globalization;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.Dashboard.Access;

/// <summary>Takes the admin key, and forgets who had it.</summary>
internal static partial class LoginEndpoints
{
    public const string Path = "/login";
    public const string SubmitPath = "/login/submit";
    public const string LogoutPath = "/logout";
    public const string ReturnParameter = "return";
    public const string ReasonParameter = "reason";
    public const string WaitParameter = "wait";

    private const int MaxKeyLength = 512;

    public static void MapAccess(this WebApplication app)
    {
        app.MapPost(SubmitPath, (RequestDelegate)LogInAsync).AllowAnonymous();
        app.MapPost(LogoutPath, (RequestDelegate)LogOutAsync).AllowAnonymous();
    }

    /// <summary>A page of this site, from what a request says that it is: never the address of another one.</summary>
    internal static string LocalPath(string? path) =>
        path is ['/', ..] && !path.StartsWith("//", StringComparison.Ordinal) && !path.Contains('\\', StringComparison.Ordinal)
            && !path.Any(char.IsControl) && !path.StartsWith(Path, StringComparison.OrdinalIgnoreCase) ? path : "/";

    private static async Task LogInAsync(HttpContext context)
    {
        var services = context.RequestServices;
        if (!await services.GetRequiredService<IAntiforgery>().IsRequestValidAsync(context))
        {
            Refuse(context, "/", "expired");
            return;
        }

        var guard = services.GetRequiredService<LoginGuard>();
        var admin = services.GetRequiredService<AdminKey>();
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var back = LocalPath(form[ReturnParameter]);
        var address = context.Connection.RemoteIpAddress?.ToString() ?? "";
        if (guard.WaitOf(address) is { Ticks: > 0 } wait)
        {
            Refuse(context, back, "limit", wait);
            return;
        }

        var key = form["key"].ToString().Trim();
        if (key.Length > MaxKeyLength || !admin.Matches(key))
        {
            guard.AddWrong(address);
            var logger = services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(LoginEndpoints));
            LogRefused(logger, address);
            await Task.Delay(
                services.GetRequiredService<IOptions<DashboardOptions>>().Value.WrongKeyDelay,
                services.GetRequiredService<TimeProvider>(),
                context.RequestAborted);
            Refuse(context, back, "wrong");
            return;
        }

        guard.Forget(address);
        await context.SignInAsync(AccessExtensions.CreatePrincipal(key));
        context.Response.Redirect(back);
    }

    private static async Task LogOutAsync(HttpContext context)
    {
        if (await context.RequestServices.GetRequiredService<IAntiforgery>().IsRequestValidAsync(context))
        {
            await context.SignOutAsync();
        }

        context.Response.Redirect(Path);
    }

    private static void Refuse(HttpContext context, string back, string reason, TimeSpan wait = default)
    {
        var query = QueryString.Create(ReasonParameter, reason);
        if (back != "/")
        {
            query = query.Add(ReturnParameter, back);
        }

        if (wait > TimeSpan.Zero)
        {
            query = query.Add(WaitParameter, Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture));
        }

        context.Response.Redirect(Path + query);
    }

    [LoggerMessage(1, LogLevel.Warning, "A login from {Address} was refused: the key is wrong")]
    private static partial void LogRefused(ILogger logger, string address);
}
