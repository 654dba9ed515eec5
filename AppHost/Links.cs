namespace RagPlatform.AppHost;

/// <summary>Links of the Aspire dashboard.</summary>
internal static class Links
{
    /// <summary>Gives the address of a service a name, and the page that is worth opening.</summary>
    public static IResourceBuilder<ProjectResource> WithNamedLink(this IResourceBuilder<ProjectResource> service, string name, string path) =>
        service.WithUrls(context =>
        {
            foreach (var url in context.Urls.Where(url => url.Endpoint is not null))
            {
                url.DisplayText = url.Endpoint!.Scheme == "https" ? name + " (https)" : name;
                url.Url = new Uri(new Uri(url.Url), path).ToString();
            }
        });
}
