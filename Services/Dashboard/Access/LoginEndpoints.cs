using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
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
    public const string EverywhereField = "everywhere";

    private const int MaxKeyLength = 512;

    public static void MapAccess(this WebApplication app)
    {
        app.MapPost(SubmitPath, (RequestDelegate)LogInAsync).AllowAnonymous();
        app.MapPost(LogoutPath, (RequestDelegate)LogOutAsync).AllowAnonymous();
    }

    /// <summary>A page of this site, from what a request says that it is: never the address of another one. In ASCII, as a header has it.</summary>
    /// <param name="pathBase">The path that the site is reached under.</param>
    /// <param name="path">What the request says.</param>
    internal static string LocalPath(PathString pathBase, string? path)
    {
        var home = pathBase.ToUriComponent() + "/";
        return path is ['/', ..] && !path.StartsWith("//", StringComparison.Ordinal) && !path.Contains('\\', StringComparison.Ordinal)
            && !path.Any(char.IsControl) && path.StartsWith(home, StringComparison.OrdinalIgnoreCase)
            && !path.StartsWith(home + Path[1..], StringComparison.OrdinalIgnoreCase) ? ToAscii(path) : home;
    }

    private static async Task LogInAsync(HttpContext context)
    {
        var services = context.RequestServices;
        if (!await services.GetRequiredService<IAntiforgery>().IsRequestValidAsync(context))
        {
            Refuse(context, null, "expired");
            return;
        }

        var guard = services.GetRequiredService<LoginGuard>();
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        var caller = LoginGuard.CallerOf(context.Connection.RemoteIpAddress);
        if (!guard.TryEnter(caller))
        {
            Refuse(context, form[ReturnParameter], "limit");
            return;
        }

        try
        {
            await LogInAsync(context, form, guard, caller);
        }
        finally
        {
            guard.Leave(caller);
        }
    }

    private static async Task LogInAsync(HttpContext context, IFormCollection form, LoginGuard guard, string caller)
    {
        var services = context.RequestServices;
        var time = services.GetRequiredService<TimeProvider>();
        var key = form["key"].ToString().Trim();
        if (key.Length <= MaxKeyLength && services.GetRequiredService<AdminKey>().Matches(key))
        {
            guard.Forget(caller);
            await context.SignInAsync(AccessExtensions.CreatePrincipal(key, time.GetUtcNow()));
            context.Response.Redirect(LocalPath(context.Request.PathBase, form[ReturnParameter]));
            return;
        }

        var delay = guard.AddWrong(caller);
        LogRefused(services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(LoginEndpoints)), caller);
        await Task.Delay(delay, time, context.RequestAborted);
        Refuse(context, form[ReturnParameter], "wrong");
    }

    private static async Task LogOutAsync(HttpContext context)
    {
        if (!await context.RequestServices.GetRequiredService<IAntiforgery>().IsRequestValidAsync(context))
        {
            // Still logged in, and to be seen as such.
            context.Response.Redirect(LocalPath(context.Request.PathBase, null));
            return;
        }

        var ledger = context.RequestServices.GetRequiredService<SessionLedger>();
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        if (context.User.Identity is { IsAuthenticated: true })
        {
            ledger.End(AccessExtensions.SessionOf(context.User));
            if (form.ContainsKey(EverywhereField))
            {
                ledger.EndAll();
            }
        }

        await context.SignOutAsync();
        context.Response.Redirect(context.Request.PathBase + Path);
    }

    private static void Refuse(HttpContext context, string? back, string reason)
    {
        var query = QueryString.Create(ReasonParameter, reason);
        var page = LocalPath(context.Request.PathBase, back);
        if (page != LocalPath(context.Request.PathBase, null))
        {
            query = query.Add(ReturnParameter, back!);
        }

        context.Response.Redirect(context.Request.PathBase + Path + query);
    }

    private static string ToAscii(string path) =>
        string.Concat(path.EnumerateRunes().Select(rune => rune.Value is > 0x20 and < 0x7F ? rune.ToString() : Uri.EscapeDataString(rune.ToString())));

    [LoggerMessage(1, LogLevel.Warning, "A login from {Address} was refused: the key is wrong")]
    private static partial void LogRefused(ILogger logger, string address);
}
